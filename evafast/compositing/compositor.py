"""Compositor: every check at the door, then one backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from evafast.compositing.backends import load
from evafast.compositing.dispatch import BackendChoice, choose_backend
from evafast.compositing.pixel import MASKS
from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.bank import Bank
    from evafast.recipe import Placements


@dataclass(frozen=True)
class Composite:
    """A batch of composites and their masks.

    Attributes
    ----------
    image : torch.Tensor of uint8, shape (n, canvas, canvas, 3)
        RGB, 0..255.
    mask : torch.Tensor of uint8, shape (n, canvas, canvas)
        Coverage 0..255 (``matte``), or 0 and 255 (``binary``).
    """

    image: torch.Tensor
    mask: torch.Tensor


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

    Raises
    ------
    UsageError
        When the backend or the device is not there, or `mask` is unknown.
    """

    def __init__(
        self,
        bank: Bank,
        *,
        backend: str = "auto",
        device: str | torch.device = "auto",
        mask: str = "matte",
    ) -> None:
        if mask not in MASKS:
            raise UsageError(f"mask: wanted {' or '.join(MASKS)}, got {mask!r}; choose one")
        self.bank = bank
        self.mask = mask
        self.choice: BackendChoice = choose_backend(backend, device)
        self.device = self.choice.device
        self._backend = load(self.choice.backend)(bank, self.device, binary=mask == "binary")

    def allocate(self, count: int, *, pin_memory: bool = False) -> Composite:
        """Return uninitialized outputs for a batch of `count` samples."""
        side = self.bank.canvas
        options = {"dtype": torch.uint8, "device": self.device, "pin_memory": pin_memory}
        return Composite(
            torch.empty((count, side, side, 3), **options),  # type: ignore[arg-type]
            torch.empty((count, side, side), **options),  # type: ignore[arg-type]
        )

    def __call__(self, placements: Placements, out: Composite | None = None) -> Composite:
        """Composite a batch.

        Parameters
        ----------
        placements : Placements
            What to paste where; of a recipe for this bank.
        out : Composite, optional
            Written in place and returned: contiguous uint8 tensors on the compositor's device.
            Allocated when left out.

        Returns
        -------
        Composite
            On a CUDA device the work is queued on torch's current stream, not waited for.

        Raises
        ------
        UsageError
            When a placement leaves the canvas or names an asset that is not in the bank, or `out`
            has another shape, dtype, layout or device.
        """
        self._check_placements(placements)
        if out is None:
            out = self.allocate(len(placements))
        else:
            side = self.bank.canvas
            self._check_output("out.image", out.image, (len(placements), side, side, 3))
            self._check_output("out.mask", out.mask, (len(placements), side, side))
        if len(placements):
            self._backend.composite(placements, out.image, out.mask)
        return out

    def _check_placements(self, placements: Placements) -> None:
        bank = self.bank
        count = len(placements)
        for name in ("background", "foreground", "left", "top", "width", "height"):
            column = getattr(placements, name)
            if column.dtype != np.int32 or column.shape != (count,) or not column.data.contiguous:
                raise UsageError(
                    f"placements.{name}: wanted contiguous int32 of shape ({count},), got "
                    f"{column.dtype} of shape {column.shape}; take placements from a Recipe"
                )
        if not count:
            return
        _check_range("background", placements.background, bank.background_count)
        _check_range("foreground", placements.foreground, bank.foreground_count)
        sizes = bank.foreground_sizes[placements.foreground]
        if (sizes[:, 0] != placements.height).any() or (sizes[:, 1] != placements.width).any():
            raise UsageError(
                "placements: wanted the sizes of this bank's cut-outs, got others; make the "
                "recipe with Recipe.for_bank(bank)"
            )
        _check_range("left", placements.left, bank.canvas - placements.width + 1)
        _check_range("top", placements.top, bank.canvas - placements.height + 1)

    def _check_output(self, name: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> None:
        if (
            tuple(tensor.shape) != shape
            or tensor.dtype != torch.uint8
            or tensor.device != self.device
            or not tensor.is_contiguous()
        ):
            raise UsageError(
                f"{name}: wanted contiguous uint8 of shape {shape} on {self.device}, got "
                f"{tensor.dtype} of shape {tuple(tensor.shape)} with strides {tensor.stride()} on "
                f"{tensor.device}; use Compositor.allocate"
            )


def _check_range(name: str, values: np.ndarray, bound: int | np.ndarray) -> None:
    bad = (values < 0) | (values >= bound)
    if bad.any():
        row = int(np.argmax(bad))
        limit = int(np.broadcast_to(bound, values.shape)[row]) - 1
        raise UsageError(
            f"placements.{name}[{row}]: wanted 0 to {limit}, got {values[row]}; make the recipe "
            "with Recipe.for_bank(bank)"
        )


def composite(
    bank: Bank, placements: Placements, *, backend: str = "auto", device: str = "auto"
) -> Composite:
    """Composite once, without keeping a compositor; see `Compositor`."""
    return Compositor(bank, backend=backend, device=device)(placements)
