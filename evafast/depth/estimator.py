"""Estimate the depth of a batch of images with any registered model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evafast.depth.models import Kind, LoadOptions, Network, load_network, registered_key
from evafast.errors import RunError, quoted, refusal
from evafast.system.devices import resolve_device

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

#: Images of 224 x 224 per pass through the network: enough to fill the device, within its memory.
_PASS = {"cpu": 8, "cuda": 250}


@dataclass(frozen=True, kw_only=True)
class DepthMaps:
    """Depth of a batch."""

    depth: Tensor
    """float32 (N, H, W), of the estimator's ``kind`` and in its unit."""
    finite: Tensor
    """bool (N,): whether the network's output was finite; pass it to `check_finite` on the host."""


def check_finite(finite: Tensor | np.ndarray, names: Sequence[str]) -> None:
    """Raise `RunError` for the first sample whose `DepthMaps.finite`, on the host, is False."""
    bad = np.flatnonzero(~np.asarray(finite))
    if len(bad):
        raise RunError(
            f"depth of {quoted(names[int(bad[0])])}: expected finite values, got NaN or infinity "
            f"({len(bad)} of {len(names)} in the batch); check the weights, or use --precision fp32"
        )


def cpu_computes_bf16() -> bool:
    """Return whether this CPU multiplies in bf16 natively (AVX512_BF16 or AMX)."""
    # torch has no public name for this; where the private ones are missing, the answer is no.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def resolve_precision(precision: str, device: torch.device) -> tuple[str, torch.dtype]:
    """Return the name and dtype of a precision, with ``auto`` resolved for the device."""
    if precision != "auto" and precision not in _DTYPES:
        raise refusal("precision", "auto, fp32, bf16 or fp16", quoted(precision), "use auto")
    if precision == "fp16" and device.type == "cpu":
        raise refusal("precision", "fp32 or bf16 on the CPU", "fp16", "use auto")
    if precision == "auto":
        on_cpu = device.type == "cpu"
        bf16 = cpu_computes_bf16() if on_cpu else torch.cuda.is_bf16_supported(False)
        precision = "bf16" if bf16 else "fp32"
    return precision, _DTYPES[precision]


class DepthEstimator:
    """A depth model on a device; create one with `load`.

    Attributes
    ----------
    kind : {"relative", "inverse", "metric"}
        See `evafast.depth.models.Network`.
    metres_per_unit : float or None
        Metres in one unit of depth, None if unknown.
    device : torch.device
    """

    def __init__(
        self, network: Network, *, name: str, options: LoadOptions, precision: str, input_size: int
    ) -> None:
        if input_size < 32 or input_size % 32:
            raise refusal("depth input size", "a multiple of 32", input_size, "use 224 or 448")
        self._network = network
        self._name, self._precision, self._input_size = name, precision, input_size
        self.device, self._dtype = options.device, options.dtype
        self.kind: Kind = network.kind
        self.metres_per_unit = network.metres_per_unit
        self._lock = threading.Lock()  # a CUDA graph serves one batch at a time

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        device: str | torch.device = "cpu",
        precision: str = "auto",
        input_size: int = 224,
        compile: bool = False,
        offline: bool = False,
        progress: Callable[..., Any] | None = None,
        inner_activation: bool | None = None,
        align_corners: bool | None = None,
    ) -> DepthEstimator:
        """Load a model.

        Parameters
        ----------
        model : str or Path
            A name of `evafast.depth.models.MODELS` (``compact``, ``nyu``, ``kitti``), ``hf:ID``
            for a Hugging Face depth-estimation model, or a .h5 or .safetensors file of DenseDepth
            weights (see `load_weights`).
        device : str or torch.device
            ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision : {"auto", "fp32", "bf16", "fp16"}
            auto is bf16 where the device computes in it natively, otherwise fp32; an explicit
            precision never falls back.
        input_size : int
            Shorter side of the network's input, a multiple of 32; the longer side follows the
            aspect ratio. Depth is returned at the image's own size.
        compile : bool
            Use ``torch.compile``, which takes a minute at the start; worth it on long runs.
        offline : bool
            Never use the network.
        progress : callable, optional
            Creates the progress bar of a download, as `Console.progress` does.
        inner_activation, align_corners : bool, optional
            For Keras files that do not record them (see `load_weights`).

        Raises
        ------
        UsageError
            If the model, device or precision is unknown or unavailable, or they do not fit.
        RunError
            If weights cannot be fetched.
        """
        device = resolve_device(device)
        precision, dtype = resolve_precision(precision, device)
        options = LoadOptions(
            device=device, dtype=dtype, compile=compile, offline=offline, progress=progress,
            inner_activation=inner_activation, align_corners=align_corners,
        )  # fmt: skip
        name = str(model)
        return cls(
            load_network(name, options),
            name=name if registered_key(name) else Path(name).name,
            options=options, precision=precision, input_size=input_size,
        )  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """Return JSON-able values that determine the depth.

        Equal identities give equal depth, up to rounding between devices of one type.
        """
        return {
            "model": self._name,
            **self._network.identity(),
            "kind": self.kind,
            "metres_per_unit": self.metres_per_unit,
            "precision": self._precision,
            "device": self.device.type,
            "input_size": self._input_size,
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> DepthMaps:
        """Estimate depth, without a host sync on a GPU.

        Parameters
        ----------
        images : Tensor
            RGB on `device`: uint8 (N, H, W, 3), or floating (N, 3, H, W) in [0, 1] (fastest in
            channels_last). N may be large: the estimator splits the batch to fit the device.

        Returns
        -------
        DepthMaps
            At the images' own H, W. On the CPU a map does not depend on its batch; on a GPU it
            does up to rounding (2e-2 of relative depth in bf16, 1e-4 in fp32).

        Raises
        ------
        UsageError
            If the dtype, shape or device of the images does not fit.
        """
        floating = images.is_floating_point()
        known = images.ndim == 4 and (floating or images.dtype == torch.uint8)
        if not known or images.shape[1 if floating else 3] != 3 or not images.numel():
            expected = "non-empty uint8 (N, H, W, 3) or floating (N, 3, H, W)"
            got = f"{images.dtype} {tuple(images.shape)}"
            raise refusal("images", expected, got, "permute or convert them")
        if images.device.type != self.device.type:
            raise refusal("images", self.device, images.device, "use images.to(...)")
        if not floating:
            images = images.permute(0, 3, 1, 2)
        size = self._network.size_for(images.shape[2], images.shape[3], self._input_size)
        count = max(_PASS[self.device.type] * 224 * 224 // (size[0] * size[1]), 2)
        passes = [self._run(part, size) for part in torch.split(images, count)]
        depth, finite = (torch.cat(parts) for parts in zip(*passes, strict=True))
        return DepthMaps(depth=depth, finite=finite)

    def _run(self, images: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        n, own, floating = len(images), images.shape[2:], images.is_floating_point()
        if n == 1 and self.device.type == "cpu":
            # For a single image, oneDNN has a kernel that rounds differently in fp32; run twice
            # in one batch, the image has the same depth as in any other batch.
            images = images.expand(2, -1, -1, -1)
        if own != size:
            images = functional.interpolate(
                images.float(), size, mode="bilinear", antialias=True, align_corners=False
            )
        if floating:
            images = images.float() * 255.0
        images = images.to(self._dtype).contiguous(memory_format=torch.channels_last)
        # fp32 means fp32 (no TF32), and deterministic algorithms keep runs repeatable.
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with self._lock, exact:
            depth, finite = self._network.run(images)
        depth = functional.interpolate(depth[:n, None], own, mode="bilinear", align_corners=False)
        return depth[:, 0], finite[:n]
