"""Backends: each applies the pixel rule to a batch in its own way and returns the same bytes.

To add one, write a module with a class ``Backend`` (the protocol below) and register it, from
inside or outside the package::

    from evafast.compositing.backends import BACKENDS

    BACKENDS["mine"] = "my_package.my_backend"
    Compositor(bank, backend="mine")

Backends never import each other, and only this package imports CuPy and Numba-CUDA.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements


class Backend(Protocol):
    """The interface of the class ``Backend`` in a backend's module."""

    device_type: str
    """``cpu`` or ``cuda``: where the output tensors must be."""

    def __init__(
        self, bank: Bank, device: torch.device, *, binary: bool, parallel: bool = True
    ) -> None:
        """Copy the bank to the device, in this backend's own layout, for matte or binary masks.

        Unless `parallel`, a call on the CPU runs in the calling thread only.
        """

    @staticmethod
    def why_unavailable() -> str | None:
        """Return one line on what is missing and how to get it, or None if it can run."""

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Write a batch; on a CUDA device, queue it on torch's current stream.

        The `Compositor` has checked everything: at least one placement, each valid for the bank,
        `image` of shape (n, canvas, canvas, 3) and `mask` of shape (n, canvas, canvas), both
        contiguous uint8 on the device.
        """


BACKENDS = {
    "cupy": "evafast.compositing.backends.cupy_cuda",
    "numba-cuda": "evafast.compositing.backends.numba_cuda",
    "numba": "evafast.compositing.backends.numba_cpu",
    "pillow": "evafast.compositing.backends.pillow",
}
"""Module by name. ``auto`` tries them in this order up to the reference, ``pillow``."""


def load(name: str) -> type[Backend]:
    """Import a backend's module and return its class."""
    backend: type[Backend] = import_module(BACKENDS[name]).Backend
    return backend
