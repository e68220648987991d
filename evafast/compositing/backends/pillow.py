"""The reference: Pillow's own paste, one sample at a time.

Tests and benchmarks hold every other backend against this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evafast.compositing.pixel import binary

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements


class Backend:
    """Pillow's paste; see `evafast.compositing.backends.Backend`."""

    device_type = "cpu"

    def __init__(
        self, bank: Bank, device: torch.device, *, binary: bool, parallel: bool = True
    ) -> None:
        self._binary = binary
        self._backgrounds = [Image.fromarray(b) for b in bank.backgrounds]
        self._cutouts = [Image.fromarray(bank.foreground(i)) for i in range(bank.foreground_count)]
        self._coverage = [self._mask_of(c) for c in self._cutouts]

    @staticmethod
    def why_unavailable() -> str | None:
        """Pillow is a core dependency: always there."""
        return None

    def _mask_of(self, cutout: Image.Image) -> Image.Image:
        coverage = cutout.getchannel("A")
        if not self._binary:
            return coverage
        return Image.fromarray(binary(np.asarray(coverage, dtype=np.int32)).astype(np.uint8))

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Paste sample by sample."""
        images, masks = image.numpy(), mask.numpy()
        for row in range(len(placements)):
            which = int(placements.foreground[row])
            corner = (int(placements.left[row]), int(placements.top[row]))
            canvas = self._backgrounds[placements.background[row]].copy()
            canvas.paste(self._cutouts[which], corner, self._cutouts[which])
            matte = Image.new("L", canvas.size)
            matte.paste(self._coverage[which], corner)
            images[row] = canvas
            masks[row] = matte
