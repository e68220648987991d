"""Compositor: check everything once, then run one backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.compositing.backends import load
from evafast.compositing.dispatch import choose_backend
from evafast.compositing.pixel import MASKS
from evafast.errors import UsageError, check_choice

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements


@dataclass(frozen=True)
class Composite:
    """A batch of images and their masks.

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
    """Pastes foregrounds of a bank onto its backgrounds, one batch per call.

    Parameters
    ----------
    bank : Bank
        The assets; copied to the device once.
    backend, device : str
        See `choose_backend`.
    mask : {'matte', 'binary'}
        Coverage pasted on black, or 255 where coverage is at least 128.
    parallel : bool
        Split a batch among CPU threads. Otherwise a call runs in the calling thread only, and
        calls from several threads run concurrently.

    Raises
    ------
    UsageError
        If the backend or the device is unavailable, or an option is unknown.
    RunError
        If the CUDA kernel does not compile for the device.

    Examples
    --------
    >>> import numpy as np
    >>> from evafast import Bank, Recipe
    >>> foreground = np.full((2, 3, 4), 255, np.uint8)
    >>> bank = Bank.from_arrays([np.zeros((8, 8, 3), np.uint8)], [foreground])
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
        parallel: bool = True,
    ) -> None:
        check_choice("mask", mask, MASKS)
        self.bank, self.mask = bank, mask
        self.choice = choose_backend(backend, device)
        self.device = self.choice.device
        self._backend = load(self.choice.backend)(
            bank, self.device, binary=mask == "binary", parallel=parallel
        )

    def allocate(self, count: int) -> Composite:
        """Return uninitialized outputs for a batch of `count` samples."""
        import torch

        shapes = self._shapes(count).values()
        return Composite(*(torch.empty(s, dtype=torch.uint8, device=self.device) for s in shapes))

    def __call__(self, placements: Placements, out: Composite | None = None) -> Composite:
        """Composite a batch.

        Parameters
        ----------
        placements : Placements
            What to paste where, from a recipe for this bank.
        out : Composite, optional
            Outputs to overwrite and return: contiguous tensors on the compositor's device, in the
            shapes that `allocate` returns. Allocated if omitted.

        Returns
        -------
        Composite
            On a CUDA device, the work is only queued on torch's current stream.

        Raises
        ------
        UsageError
            If a placement leaves the canvas or names an asset that the bank does not have, or `out`
            has another shape, dtype, memory order or device.
        """
        _check_placements(placements, self.bank)
        out = self.allocate(len(placements)) if out is None else self._checked(out, len(placements))
        if len(placements):
            self._backend.composite(placements, out.image, out.mask)
        return out

    def _shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        side = self.bank.canvas
        return {"image": (count, side, side, 3), "mask": (count, side, side)}

    def _checked(self, out: Composite, count: int) -> Composite:
        import torch

        for name, shape in self._shapes(count).items():
            tensor: torch.Tensor = getattr(out, name)
            got = tensor.shape, tensor.dtype, tensor.device
            if got != (shape, torch.uint8, self.device) or not tensor.is_contiguous():
                raise UsageError(
                    f"out.{name}: expected contiguous torch.uint8 of shape {shape} on "
                    f"{self.device}, got {tensor.dtype} of shape {tuple(tensor.shape)} with "
                    f"strides {tensor.stride()} on {tensor.device}; use Compositor.allocate"
                )
        return out


def composite(
    bank: Bank, placements: Placements, *, backend: str = "auto", device: str = "auto"
) -> Composite:
    """Composite one batch without keeping the compositor; see `Compositor`."""
    return Compositor(bank, backend=backend, device=device)(placements)


def _check_placements(placements: Placements, bank: Bank) -> None:
    """Raise `UsageError` for placements that would make a kernel read or write out of bounds."""
    count = len(placements)
    for name in ("background", "foreground", "left", "top", "width", "height"):
        column = getattr(placements, name)
        flat = column.shape == (count,) and column.flags.c_contiguous
        if column.dtype != np.int32 or not flat:
            raise UsageError(
                f"placements.{name}: expected contiguous int32 of shape ({count},), got "
                f"{column.dtype} of shape {column.shape}; take placements from a Recipe"
            )
    p = placements
    _check_range("background", p.background, bank.background_count - 1)
    _check_range("foreground", p.foreground, bank.foreground_count - 1)
    heights, widths = (sizes.take(p.foreground) for sizes in bank.foreground_sizes.T)
    if (widths != p.width).any() or (heights != p.height).any():
        raise UsageError(
            "placements: expected the sizes of this bank's foregrounds, got others; make the "
            "recipe with Recipe.for_bank(bank)"
        )
    _check_range("left", p.left, bank.canvas - widths)
    _check_range("top", p.top, bank.canvas - heights)


def _check_range(name: str, values: NDArray[np.int32], last: int | NDArray[np.int32]) -> None:
    bad = (values < 0) | (values > last)
    if bad.any():
        row = int(np.argmax(bad))
        limit = int(np.broadcast_to(last, values.shape)[row])
        raise UsageError(
            f"placements.{name}[{row}]: expected 0 to {limit}, got {values[row]}; make the recipe "
            "with Recipe.for_bank(bank)"
        )
