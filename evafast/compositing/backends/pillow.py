"""The reference: Pillow's own paste, one sample at a time.

Tests and benchmarks compare every other backend with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evafast.compositing.pixel import binary as binary_of

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
        self._backgrounds = [Image.fromarray(b) for b in bank.backgrounds]
        rgba = [bank.foreground(i) for i in range(bank.foreground_count)]
        self._foregrounds = [Image.fromarray(f) for f in rgba]
        mattes = [f[..., 3] for f in rgba]
        if binary:
            mattes = [binary_of(m).astype(np.uint8) for m in mattes]
        self._mattes = [Image.fromarray(m) for m in mattes]

    @staticmethod
    def why_unavailable() -> str | None:
        """Return None: Pillow is a required dependency."""
        return None

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Paste sample by sample."""
        images, masks = image.numpy(), mask.numpy()
        for row, which in enumerate(placements.foreground):
            corner = (int(placements.left[row]), int(placements.top[row]))
            canvas = self._backgrounds[placements.background[row]].copy()
            canvas.paste(self._foregrounds[which], corner, self._foregrounds[which])
            matte = Image.new("L", canvas.size)
            matte.paste(self._mattes[which], corner)
            images[row] = canvas
            masks[row] = matte
