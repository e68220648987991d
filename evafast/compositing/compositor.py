"""Compositor: every check at the door, then one backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from evafast.compositing.backends import Backend, CudaBackend, load
from evafast.compositing.dispatch import BackendChoice, choose_backend
from evafast.compositing.output import Composite, OutputFormat, write_network_input
from evafast.compositing.pixel import MASKS
from evafast.compositing.placement_check import PlacementCheck
from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements


class Compositor:
    """Pastes cut-outs of a bank onto its backgrounds, a batch a call.

    Parameters
    ----------
    bank : Bank
        The assets; brought to the device once.
    backend, device : str
        See `choose_backend`.
    mask : {'matte', 'binary'}
        Coverage pasted on black, or 255 where coverage is at least 128.
    layout : {'nhwc', 'nchw'}
        Of the images: interleaved by pixel, or three planes.
    network_input : torch.dtype, optional
        Also write ``image / 255`` as this floating dtype, channels last: the depth network's
        input, made in the same pass on a CUDA device.
    parallel : bool
        Share a batch among the CPU's threads. Otherwise a call works in the thread that makes it,
        beside calls of other threads.

    Raises
    ------
    UsageError
        When the backend or the device is not there, or an option is unknown.
    RunError
        When the CUDA kernel cannot be compiled for the device.

    Examples
    --------
    >>> import numpy as np
    >>> from evafast import Bank, Recipe
    >>> cutout = np.full((2, 3, 4), 255, np.uint8)
    >>> bank = Bank.from_arrays([np.zeros((8, 8, 3), np.uint8)], [cutout])
    >>> batch = Compositor(bank, device="cpu")(Recipe.for_bank(bank)[0:5])
    >>> batch.image.shape, int(batch.mask[0].sum()) // 255
    (torch.Size([5, 8, 8, 3]), 6)
    """

    def __init__(
        self,
        bank: Bank,
        *,
        backend: str = "auto",
        device: str | torch.device = "auto",
        mask: str = "matte",
        layout: str = "nhwc",
        network_input: torch.dtype | None = None,
        parallel: bool = True,
    ) -> None:
        if mask not in MASKS:
            raise UsageError(f"mask: expected {' or '.join(MASKS)}, got {mask!r}; choose one")
        self.bank = bank
        self.mask = mask
        self.layout = layout
        self.choice: BackendChoice = choose_backend(backend, device)
        self.device = self.choice.device
        self._format = OutputFormat(
            canvas=bank.canvas, layout=layout, network_input=network_input, device=self.device
        )
        self._check = PlacementCheck(bank)
        kind = load(self.choice.backend)
        binary = mask == "binary"
        self._is_cuda = kind.device_type == "cuda"
        self._backend: Backend
        if self._is_cuda:
            self._backend = cast(type[CudaBackend], kind)(
                bank, self.device, binary=binary, layout=layout, network_input=network_input
            )
        else:
            self._backend = kind(bank, self.device, binary=binary, parallel=parallel)

    def allocate(self, count: int, *, pin_memory: bool = False) -> Composite:
        """Return uninitialized outputs for a batch of `count` samples.

        With `pin_memory`, CPU tensors are page-locked where there is a CUDA device to copy to.
        """
        return self._format.allocate(count, pin_memory=pin_memory)

    def __call__(self, placements: Placements, out: Composite | None = None) -> Composite:
        """Composite a batch.

        Parameters
        ----------
        placements : Placements
            What to paste where; of a recipe for this bank.
        out : Composite, optional
            Written in place and returned: tensors on the compositor's device as `allocate` makes
            them, at any address. Allocated when left out.

        Returns
        -------
        Composite
            On a CUDA device the work is queued on torch's current stream, not waited for.

        Raises
        ------
        UsageError
            When a placement leaves the canvas or names an asset that is not in the bank, or `out`
            has another shape, dtype, memory order or device.
        """
        self._check(placements)
        if out is None:
            out = self.allocate(len(placements))
        else:
            self._format.check(out, len(placements))
        if len(placements):
            if self._is_cuda:
                cuda = cast(CudaBackend, self._backend)
                cuda.composite(placements, out.image, out.mask, out.network_input)
            else:
                self._on_cpu(placements, out)
        return out

    def _on_cpu(self, placements: Placements, out: Composite) -> None:
        image = out.image
        if self.layout == "nchw":  # the CPU backends write by pixel
            image = torch.empty(image.permute(0, 2, 3, 1).shape, dtype=torch.uint8)
        self._backend.composite(placements, image, out.mask)
        if self.layout == "nchw":
            out.image.copy_(image.permute(0, 3, 1, 2))
        if out.network_input is not None:
            write_network_input(image, "nhwc", out.network_input)


def composite(
    bank: Bank, placements: Placements, *, backend: str = "auto", device: str = "auto"
) -> Composite:
    """Composite once, without keeping a compositor; see `Compositor`."""
    return Compositor(bank, backend=backend, device=device)(placements)
