"""The same batch by other means: torch in two ways, kornia, and Pillow.

Each class takes a bank and a device and offers ``prepare(placements)``, whose time does not count,
and ``run()``, which returns images (n, side, side, 3) and masks (n, side, side).
"""

from __future__ import annotations

from typing import Any

import torch

from evafast.assets.bank import Bank
from evafast.sampling.recipe import Placements


class _Peer:
    def __init__(self, bank: Bank, device: torch.device) -> None:
        self.device, self.side = device, bank.canvas
        self.backgrounds = torch.from_numpy(bank.backgrounds.copy()).to(device)
        height, width = bank.foreground_sizes.max(axis=0)
        padded = torch.zeros((bank.foreground_count, int(height), int(width), 4), dtype=torch.uint8)
        for i in range(bank.foreground_count):
            cutout = torch.from_numpy(bank.foreground(i).copy())
            padded[i, : cutout.shape[0], : cutout.shape[1]] = cutout
        self.cutouts = padded.to(device)  # coverage 0 beyond each cut-out's own size

    def prepare(self, placements: Placements) -> None:
        """Bring the placements to the device."""
        for name in ("background", "foreground", "left", "top"):
            column = torch.from_numpy(getattr(placements, name)).to(self.device, torch.int64)
            setattr(self, name, column)


def _over(
    backgrounds: Any, cutouts: Any, background: Any, foreground: Any, left: Any, top: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    side = backgrounds.shape[1]
    line = torch.arange(side, device=backgrounds.device)
    y, x = line - top[:, None], line - left[:, None]
    height, width = cutouts.shape[1:3]
    inside_y, inside_x = (y >= 0) & (y < height), (x >= 0) & (x < width)
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    rgba = cutouts[foreground[:, None, None], y[:, :, None], x[:, None, :]]
    mask = torch.where(inside, rgba[..., 3], 0)
    coverage = mask[..., None].to(torch.int32)
    t = rgba[..., :3] * coverage + backgrounds[background] * (255 - coverage) + 128
    return ((t + (t >> 8)) >> 8).to(torch.uint8), mask


class TorchInteger(_Peer):
    """Indexing and the integer rule: the same bytes."""

    def run(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Run eagerly."""
        return _over(
            self.backgrounds, self.cutouts, self.background, self.foreground, self.left, self.top
        )


class TorchCompiled(TorchInteger):
    """The same expression through torch.compile."""

    compiled = None

    def run(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the compiled function; the first call compiles it."""
        if TorchCompiled.compiled is None:
            TorchCompiled.compiled = torch.compile(_over, dynamic=True)
        return TorchCompiled.compiled(
            self.backgrounds, self.cutouts, self.background, self.foreground, self.left, self.top
        )


class TorchGridSample(_Peer):
    """grid_sample places the cut-out, floats blend: close, not the same bytes."""

    def prepare(self, placements: Placements) -> None:
        """Also bring the cut-outs into the float planes that grid_sample wants."""
        super().prepare(placements)
        self.planes = self.cutouts.permute(0, 3, 1, 2).float() / 255

    def place(self) -> torch.Tensor:
        """Return the cut-outs on empty canvases, (n, 4, side, side) float."""
        height, width = self.planes.shape[2:]
        line = torch.arange(self.side, device=self.device, dtype=torch.float32) + 0.5
        x = (line - self.left[:, None]) * (2 / width) - 1
        y = (line - self.top[:, None]) * (2 / height) - 1
        shape = (len(x), self.side, self.side)
        grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=-1)
        return torch.nn.functional.grid_sample(
            self.planes[self.foreground], grid, mode="nearest", align_corners=False
        )

    def run(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Place, blend, round."""
        placed = self.place()
        coverage = placed[:, 3:]
        background = self.backgrounds[self.background].permute(0, 3, 1, 2).float()
        blended = placed[:, :3] * 255 * coverage + background * (1 - coverage)
        image = blended.add_(0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return image, (coverage[:, 0] * 255 + 0.5).to(torch.uint8)


class Kornia(TorchGridSample):
    """kornia's translate places the cut-out on a canvas; raises ImportError without kornia."""

    def prepare(self, placements: Placements) -> None:
        """Also pad the cut-outs to the canvas."""
        import kornia  # noqa: F401

        super().prepare(placements)
        height, width = self.planes.shape[2:]
        room = (0, self.side - width, 0, self.side - height)
        self.wide = torch.nn.functional.pad(self.planes, room)

    def place(self) -> torch.Tensor:
        """Return the shifted cut-outs, (n, 4, side, side) float."""
        from kornia.geometry.transform import translate

        shift = torch.stack([self.left, self.top], dim=1).float()
        return translate(self.wide[self.foreground], shift, mode="nearest", align_corners=True)


class Pillow(_Peer):
    """Pillow's paste on the CPU, one thread."""

    def __init__(self, bank: Bank, device: torch.device) -> None:
        from evafast.compositing import Compositor

        self._compositor = Compositor(bank, backend="pillow", device="cpu")

    def prepare(self, placements: Placements) -> None:
        """Keep the placements."""
        self._placements = placements

    def run(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Paste sample by sample."""
        made = self._compositor(self._placements)
        return made.image, made.mask


PEERS = {
    "torch, integer rule": TorchInteger,
    "torch.compile, integer rule": TorchCompiled,
    "torch, grid_sample": TorchGridSample,
    "kornia, translate": Kornia,
    "Pillow on the CPU": Pillow,
}
