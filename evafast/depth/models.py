"""The registry of depth models, and the interface that a model offers the estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Kind = Literal["relative", "inverse", "metric"]

_DENSEDEPTH = "evafast.depth.densedepth.inference:DenseDepthNetwork"

#: Name, or scheme with its colon, to ``module:callable``. The callable takes the name (of a scheme:
#: what follows the colon) and `LoadOptions`, and returns a `Network`.
MODELS = {
    "compact": _DENSEDEPTH,
    "nyu": _DENSEDEPTH,
    "kitti": _DENSEDEPTH,
    "hf:": "evafast.depth.huggingface:HuggingFaceNetwork",
}

#: Images with a larger aspect ratio are squeezed to this one, to bound memory.
_MAX_ASPECT = 4


class Network(Protocol):
    """A depth model on a device."""

    kind: Kind
    """relative: depth in [0.01, 1], larger is farther. inverse: 1 / depth up to an unknown scale
    and shift, larger is nearer. metric: metres."""
    metres_per_unit: float | None
    """Metres in one unit of depth, None if unknown."""

    def identity(self) -> dict[str, Any]:
        """Return JSON-able values that distinguish this model from any other."""

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return the (height, width) to which an image of this size is resized."""

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return depth, float32 (N, h, w), and finite, bool (N,), of (N, 3, H, W) in 0..255."""


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to load a model (see `DepthEstimator.load`); weights and activations have ``dtype``."""

    device: torch.device
    dtype: torch.dtype
    compile: bool = False
    offline: bool = False
    progress: Callable[..., Any] | None = None
    inner_activation: bool | None = None
    align_corners: bool | None = None


def load_network(model: str, options: LoadOptions) -> Network:
    """Load a model by its registered name or scheme; anything else is a DenseDepth weights file."""
    key = registered_key(model)
    name = model.removeprefix(key) if key and key.endswith(":") else model
    network: Network = resolve_name(MODELS[key] if key else _DENSEDEPTH)(name, options)
    return network


def registered_key(model: str) -> str | None:
    """Return the key of `MODELS` under which a model loads, or None for a file."""
    scheme, colon, _ = model.partition(":")
    return next((key for key in (model, scheme + colon) if key in MODELS), None)


def model_names() -> str:
    """Return the registered names and schemes as a list for messages."""
    return ", ".join(key + "ID" if key.endswith(":") else key for key in MODELS)


def fitted_size(height: int, width: int, shorter: int, multiple: int = 32) -> tuple[int, int]:
    """Return the (height, width), multiples of ``multiple``, at which a network sees an image.

    Rounding may change the aspect ratio slightly; ``shorter`` is the target for the shorter side.
    """
    scale = shorter / min(height, width)
    sides = (min(side * scale, _MAX_ASPECT * shorter) for side in (height, width))
    height, width = (max(round(side / multiple), 1) * multiple for side in sides)
    return height, width
