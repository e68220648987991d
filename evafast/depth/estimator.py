"""Depth of a batch of images, whatever the model: one interface, no host sync."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evafast.depth.densedepth.cuda_graph import CudaGraphed
from evafast.depth.densedepth.fetch import Progress
from evafast.depth.densedepth.folded import FoldedDenseDepth
from evafast.depth.densedepth.network import STRIDE, relative_depth
from evafast.depth.densedepth.weights import load_weights
from evafast.depth.geometry import fitted_size
from evafast.depth.precision import resolve_device, resolve_precision
from evafast.errors import RunError, UsageError, quoted

Kind = Literal["relative", "inverse", "metric"]

#: Images per pass through the network: enough to fill the device, few enough for its memory.
_PASS = {"cpu": 8, "cuda": 256}


@dataclass(frozen=True, kw_only=True)
class DepthMaps:
    """Depth of a batch.

    Parameters
    ----------
    depth : Tensor, float32, (N, H, W)
        In the unit of `DepthEstimator.kind`.
    finite : Tensor, bool, (N,)
        Whether the network's output was finite; give it to `check_finite` once it is on the host.
    """

    depth: Tensor
    finite: Tensor


def check_finite(finite: Tensor | np.ndarray, names: Sequence[str]) -> None:
    """Refuse NaN or infinite depth.

    Parameters
    ----------
    finite : Tensor or array, bool, (N,)
        `DepthMaps.finite`, on the host by now.
    names : sequence of str
        The samples' names, in the same order.

    Raises
    ------
    RunError
        Naming the first sample whose depth is not finite.
    """
    bad = np.flatnonzero(~np.asarray(finite))
    if len(bad):
        raise RunError(
            f"depth of {quoted(names[int(bad[0])])}: expected finite values, got NaN or infinity "
            f"({len(bad)} of {len(names)} in the batch); check the weights, or use --precision fp32"
        )


class Network(Protocol):
    """What an estimator runs: a depth model behind the common interface."""

    kind: Kind
    metres_per_unit: float | None

    def identity(self) -> dict[str, Any]:
        """Return JSON-able values that tell this model from any other."""

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return the height and width at which the network sees such an image."""

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return depth float32 (n, h', w') and finite bool (n,) of (n, 3, h, w) in 0..255."""


class DenseDepthNetwork:
    """DenseDepth weights, folded, on a device."""

    kind: Kind = "relative"

    def __init__(
        self,
        model: str | Path,
        *,
        device: torch.device,
        dtype: torch.dtype,
        compile: bool,
        **options: Any,
    ) -> None:
        weights = load_weights(model, **options)
        self.metres_per_unit = weights.metres_per_unit
        self._config = weights.model.config
        self._sha256 = weights.sha256
        network: nn.Module = FoldedDenseDepth(weights.model, dtype).to(device).eval()
        if compile:
            network = torch.compile(network, dynamic=False)  # type: ignore[assignment]
        self._network = CudaGraphed(network) if device.type == "cuda" else network

    def identity(self) -> dict[str, Any]:
        """Return the file's SHA-256 and the config."""
        return {"sha256": self._sha256, "config": self._config.to_dict()}

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return sides that are multiples of 32, the shorter one ``input_size``."""
        return fitted_size(height, width, input_size)

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return relative depth at half size, and whether y was finite."""
        y = self._network(images)[:, 0]
        return relative_depth(y), torch.isfinite(y).flatten(1).all(1)


class DepthEstimator:
    """A depth model on a device; make one with `load`.

    Attributes
    ----------
    kind : {"relative", "inverse", "metric"}
        relative: depth in [0.01, 1], bigger is farther. inverse: 1 / depth up to an unknown scale
        and shift, bigger is nearer. metric: metres.
    metres_per_unit : float or None
        Metres in one unit of depth, None where it is unknown.
    """

    def __init__(
        self,
        network: Network,
        *,
        name: str,
        device: torch.device,
        precision: str,
        dtype: torch.dtype,
        input_size: int,
    ) -> None:
        if input_size < STRIDE or input_size % STRIDE:
            raise UsageError(
                f"depth input size: expected a multiple of {STRIDE}, got {input_size}; give 224 or "
                f"448"
            )
        self._network = network
        self._name, self._precision, self._dtype = name, precision, dtype
        self._input_size = input_size
        self.device = device
        self.kind: Kind = network.kind
        self.metres_per_unit = network.metres_per_unit
        self._lock = threading.Lock()  # the network's buffers serve one batch at a time

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
        progress: Progress | None = None,
        inner_activation: bool | None = None,
        align_corners: bool | None = None,
    ) -> DepthEstimator:
        """Load a model.

        Parameters
        ----------
        model : str or Path
            ``compact``, ``nyu``, ``kitti``, a .h5 or .safetensors file (see `load_weights`), or
            ``hf:ID`` for a Hugging Face depth-estimation model.
        device : str or torch.device
        precision : {"auto", "fp32", "bf16", "fp16"}
            auto is bf16 where the device computes in it, else fp32; an explicit one never falls
            back.
        input_size : int
            Shorter side at which the network sees an image, a multiple of 32; the other side keeps
            the aspect to the nearest multiple of 32. Depth comes back at the image's own size.
        compile : bool
            ``torch.compile``: a minute at the start, worth it on long runs.
        offline : bool
            Never use the network.
        progress : callable, optional
            Told of a fetch's bytes.
        inner_activation, align_corners : bool, optional
            For Keras files that do not record them (see `load_weights`).

        Raises
        ------
        UsageError
            If the model, device or precision is unknown, not there, or does not fit.
        RunError
            If weights cannot be fetched.
        """
        device = resolve_device(device)
        precision, dtype = resolve_precision(precision, device)
        options: dict[str, Any] = {"device": device, "dtype": dtype, "compile": compile}
        options |= {"offline": offline}
        network: Network
        if str(model).startswith("hf:"):
            from evafast.depth.huggingface import HuggingFaceNetwork

            if inner_activation is not None or align_corners is not None:
                raise UsageError(
                    f"{quoted(model)}: expected no DenseDepth variant, got one; leave the option out"
                )
            network = HuggingFaceNetwork(str(model)[3:], **options)
        else:
            network = DenseDepthNetwork(
                model,
                progress=progress,
                inner_activation=inner_activation,
                align_corners=align_corners,
                **options,
            )
        name = model.name if isinstance(model, Path) else str(model).rsplit("/", 1)[-1]
        return cls(
            network,
            name=str(model) if str(model).startswith("hf:") else name,
            device=device,
            precision=precision,
            dtype=dtype,
            input_size=input_size,
        )

    def identity(self) -> dict[str, Any]:
        """Return JSON-able values on which the depth depends; equal ones give equal depth.

        Equal to rounding, between devices of a type.
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
        """Estimate depth; on a GPU nothing waits for the device.

        Parameters
        ----------
        images : Tensor
            uint8 (N, H, W, 3), or floating (N, 3, H, W) in [0, 1] (channels_last is fastest); RGB,
            on `device`.

        Returns
        -------
        DepthMaps
            At the images' own H, W. On the CPU a map does not depend on the other images of its
            batch or their number; elsewhere to rounding (2e-2 of relative depth in bf16, 1e-4 in
            fp32).

        Raises
        ------
        UsageError
            If the images' dtype, shape or device is another.
        """
        floating = images.is_floating_point()
        channel = 1 if floating else -1
        if (
            images.ndim != 4
            or not (floating or images.dtype == torch.uint8)
            or images.shape[channel] != 3
            or not images.numel()
        ):
            raise UsageError(
                "images: expected uint8 (N, H, W, 3) or floating (N, 3, H, W), not empty, "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        if images.device.type != self.device.type:
            raise UsageError(
                f"images: expected them on {self.device}, got {images.device}; use images.to(...)"
            )
        if not floating:
            images = images.permute(0, 3, 1, 2)
        chunk = _PASS.get(self.device.type, 8)
        height, width = images.shape[2:]
        size = self._network.size_for(height, width, self._input_size)
        # As many pixels a pass as `chunk` images of 224 x 224.
        chunk = max(chunk * 224 * 224 // (size[0] * size[1]), 2)
        maps = [
            self._one_pass(part, floating, size, (height, width)) for part in images.split(chunk)
        ]
        depth, finite = zip(*maps, strict=True)
        return DepthMaps(depth=_joined(depth), finite=_joined(finite))

    def _one_pass(
        self, images: Tensor, floating: bool, size: tuple[int, int], own: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        n = len(images)
        if n == 1 and self.device.type == "cpu":
            # oneDNN takes another kernel for a single image, with other rounding in fp32: with two,
            # a sample's depth is the same bits in whatever batch it comes.
            images = images.expand(2, -1, -1, -1)
        if tuple(images.shape[2:]) != size:
            images = functional.interpolate(
                images.float(), size, mode="bilinear", antialias=True, align_corners=False
            )
        if floating:
            images = images.float() * 255.0
        images = images.to(self._dtype).contiguous(memory_format=torch.channels_last)
        # Deterministic algorithms, and no TF32 in what is called fp32.
        with (
            self._lock,
            torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ),
        ):
            depth, finite = self._network.run(images)
        depth = functional.interpolate(depth[:n, None], own, mode="bilinear", align_corners=False)
        return depth[:, 0], finite[:n]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
