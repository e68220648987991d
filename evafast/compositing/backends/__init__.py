"""The backends: one way each to run the pixel rule over a batch.

A backend checks nothing: `evafast.compositing.Compositor` checks everything at the door. Backends
never import each other, and only this package names CuPy and Numba-CUDA.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements


class Backend(Protocol):
    """What every backend class offers; the class stands in its module as ``Backend``."""

    device_type: str
    """``cpu`` or ``cuda``: where the output tensors must live."""

    def __init__(
        self, bank: Bank, device: torch.device, *, binary: bool, parallel: bool = True
    ) -> None:
        """Bring the bank into this backend's own layout on the device.

        Unless `parallel`, a call works in the thread that makes it.
        """

    @staticmethod
    def why_unavailable() -> str | None:
        """Return one line on what is missing and how to get it, or None when it can run."""

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Write ``image`` (n, canvas, canvas, 3) and ``mask`` (n, canvas, canvas), all checked."""


class CudaBackend(Protocol):
    """What a CUDA backend offers: also planar images and the depth network's input."""

    device_type: str

    def __init__(
        self,
        bank: Bank,
        device: torch.device,
        *,
        binary: bool,
        layout: str = "nhwc",
        network_input: torch.dtype | None = None,
    ) -> None:
        """Bring the bank to the device and compile the kernel."""

    @staticmethod
    def why_unavailable() -> str | None:
        """Return one line on what is missing and how to get it, or None when it can run."""

    def composite(
        self,
        placements: Placements,
        image: torch.Tensor,
        mask: torch.Tensor,
        network_input: torch.Tensor | None = None,
    ) -> None:
        """Queue the batch on torch's current stream; return before it is done."""


_MODULES = {
    "cupy": "evafast.compositing.backends.cupy_cuda",
    "numba-cuda": "evafast.compositing.backends.numba_cuda",
    "numba": "evafast.compositing.backends.numba_cpu",
    "pillow": "evafast.compositing.backends.pillow",
}

BACKENDS = tuple(_MODULES)
"""Names in the order in which ``auto`` tries them; ``pillow``, the reference, only on request."""


def load(name: str) -> type[Backend]:
    """Import one backend's module and return its class."""
    return import_module(_MODULES[name]).Backend
