"""Compositing on the CPU by other means, each as well as its library allows.

Each class is made from a bank and placements, off the clock, and gives ``run()``, which is timed,
and ``result()``: images (n, side, side, 3) and masks (n, side, side) as uint8 arrays. Where a
library can work ahead (cut-outs converted once, weights multiplied out), it may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evafast import Bank
from evafast.compositing.pixel import over
from evafast.sampling.recipe import Placements

Pixels = NDArray[np.uint8]


class _Peer:
    def __init__(self, bank: Bank, placements: Placements) -> None:
        columns = (placements.background, placements.foreground, placements.left, placements.top)
        self.rows = list(zip(*(c.tolist() for c in columns), strict=True))
        self.side = bank.canvas
        self.backgrounds = bank.backgrounds
        self.cutouts = [bank.foreground(i) for i in range(bank.foreground_count)]
        self.images = np.zeros((len(placements), self.side, self.side, 3), np.uint8)
        self.masks = np.zeros((len(placements), self.side, self.side), np.uint8)

    def result(self) -> tuple[Pixels, Pixels]:
        """Return what the last run made."""
        return self.images, self.masks


class Pillow(_Peer):
    """The original's loop: copy, paste, paste the coverage on black. Pictures stay Pillow's."""

    def __init__(self, bank: Bank, placements: Placements) -> None:
        super().__init__(bank, placements)
        self._backgrounds = [Image.fromarray(b) for b in self.backgrounds]
        self._cutouts = [Image.fromarray(c) for c in self.cutouts]
        self._coverage = [c.getchannel("A") for c in self._cutouts]

    def run(self) -> None:
        """Paste sample by sample."""
        self._made = []
        for background, foreground, left, top in self.rows:
            cutout = self._cutouts[foreground]
            image = self._backgrounds[background].copy()
            image.paste(cutout, (left, top), cutout)
            mask = Image.new("L", image.size)
            mask.paste(self._coverage[foreground], (left, top))
            self._made.append((image, mask))

    def result(self) -> tuple[Pixels, Pixels]:
        """Return the pictures as arrays."""
        return np.stack([np.asarray(i) for i, _ in self._made]), np.stack(
            [np.asarray(m) for _, m in self._made]
        )


class NumPy(_Peer):
    """Slices and the integer rule on whole arrays, into outputs that are there already."""

    def __init__(self, bank: Bank, placements: Placements) -> None:
        super().__init__(bank, placements)
        self._colour = [c[..., :3].astype(np.uint16) for c in self.cutouts]
        self._coverage = [c[..., 3:].astype(np.uint16) for c in self.cutouts]

    def run(self) -> None:
        """Blend sample by sample."""
        for i, (background, foreground, left, top) in enumerate(self.rows):
            image, mask = self.images[i], self.masks[i]
            image[:] = self.backgrounds[background]
            mask[:] = 0
            coverage = self._coverage[foreground]
            height, width = coverage.shape[:2]
            inside = image[top : top + height, left : left + width]
            inside[:] = over(coverage, self._colour[foreground], inside)
            mask[top : top + height, left : left + width] = coverage[..., 0]


class OpenCV(_Peer):
    """Colour times coverage multiplied out beforehand; three OpenCV calls a blend.

    The sum is an integer up to 65025, and a 255th of it never lies half-way between two integers,
    so that rounding to the nearest gives the rule's own value.
    """

    def __init__(self, bank: Bank, placements: Placements) -> None:
        super().__init__(bank, placements)
        self._coverage = [np.ascontiguousarray(c[..., 3]) for c in self.cutouts]
        self._rest = [np.repeat(255 - c[..., 3:], 3, axis=2) for c in self.cutouts]
        self._premultiplied = [
            c[..., :3].astype(np.uint16) * c[..., 3:].astype(np.uint16) for c in self.cutouts
        ]

    def run(self) -> None:
        """Blend sample by sample."""
        import cv2

        for i, (background, foreground, left, top) in enumerate(self.rows):
            image, mask = self.images[i], self.masks[i]
            np.copyto(image, self.backgrounds[background])
            mask.fill(0)
            coverage = self._coverage[foreground]
            height, width = coverage.shape
            inside = image[top : top + height, left : left + width]
            kept = cv2.multiply(inside, self._rest[foreground], dtype=cv2.CV_16U)
            total = cv2.add(kept, self._premultiplied[foreground])
            inside[:] = cv2.convertScaleAbs(total, alpha=1 / 255)
            mask[top : top + height, left : left + width] = coverage


class Torch(_Peer):
    """The integer rule on the whole batch at once; see `benchmarks.compositing_peers`."""

    kind = "TorchInteger"

    def __init__(self, bank: Bank, placements: Placements) -> None:
        super().__init__(bank, placements)
        import torch

        from benchmarks import compositing_peers

        self._peer: Any = getattr(compositing_peers, self.kind)(bank, torch.device("cpu"))
        self._peer.prepare(placements)

    def run(self) -> None:
        """Blend the batch."""
        self._made = self._peer.run()

    def result(self) -> tuple[Pixels, Pixels]:
        """Return the tensors as arrays."""
        return self._made[0].numpy(), self._made[1].numpy()


class Kornia(Torch):
    """kornia's translate places the cut-outs, floats blend them."""

    kind = "Kornia"


class Albumentations(_Peer):
    """OverlayElements: pixels of coverage above zero are copied, never blended."""

    def __init__(self, bank: Bank, placements: Placements) -> None:
        super().__init__(bank, placements)
        import albumentations

        self._transform = albumentations.Compose([albumentations.OverlayElements(p=1.0)])
        self._empty = np.zeros((self.side, self.side), np.uint8)
        self._metadata = []
        for _, foreground, left, top in self.rows:
            cutout = self.cutouts[foreground]
            height, width = cutout.shape[:2]
            box = np.array([left, top, left + width, top + height]) / self.side
            self._metadata.append([{
                "image": np.ascontiguousarray(cutout[..., :3]), "bbox": box.tolist(),
                "mask": np.ascontiguousarray(cutout[..., 3]), "mask_id": 255,
            }])  # fmt: skip

    def run(self) -> None:
        """Overlay sample by sample."""
        for i, (background, *_) in enumerate(self.rows):
            made = self._transform(
                image=self.backgrounds[background], mask=self._empty,
                overlay_metadata=self._metadata[i],
            )  # fmt: skip
            self.images[i], self.masks[i] = made["image"], made["mask"]


PEERS: dict[str, tuple[Callable[[Bank, Placements], Any], str, int]] = {
    "Pillow": (Pillow, "the original's loop, 1 thread", 1),
    "NumPy": (NumPy, "1 thread", 4),
    "OpenCV": (OpenCV, "sample by sample", 1),
    "torch": (Torch, "whole batch, all threads", 8),
    "kornia": (Kornia, "translate and float blend, all threads", 8),
    "AlbumentationsX": (Albumentations, "OverlayElements", 8),
}
"""By name: the class, a note, and by how much smaller its share of the batch is (slow ones)."""
