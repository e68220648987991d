"""Compositing by other means, each as well as its library allows, on the CPU or on a device.

Whatever a library can do ahead (convert foregrounds once, premultiply), it may do untimed in its
constructor; only `Peer.run` is timed. `Peer.result` gives what `run` made, for comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender
from evafast import Bank, Compositor
from evafast.compositing import Composite
from evafast.compositing.pixel import over
from evafast.sampling.recipe import Placements

Pixels = NDArray[np.uint8]
CPU = torch.device("cpu")


class Peer:
    """One batch, composited by another library.

    Parameters
    ----------
    bank : Bank
    placements : Placements
    device : torch.device
        Ignored by those that only know the CPU.
    """

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        columns = (placements.background, placements.foreground, placements.left, placements.top)
        self.rows = list(zip(*(c.tolist() for c in columns), strict=True))
        self.side = bank.canvas
        self.backgrounds = bank.backgrounds
        self.foregrounds = [bank.foreground(i) for i in range(bank.foreground_count)]
        self.images = np.zeros((len(placements), self.side, self.side, 3), np.uint8)
        self.masks = np.zeros((len(placements), self.side, self.side), np.uint8)

    def run(self) -> None:
        """Composite the batch."""
        raise NotImplementedError

    def result(self) -> tuple[Pixels, Pixels]:
        """Return images (n, side, side, 3) and masks (n, side, side) of the last run."""
        return self.images, self.masks


class Pillow(Peer):
    """The original's loop: copy, paste, paste the coverage on black; images stay Pillow's."""

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        super().__init__(bank, placements)
        self._backgrounds = [Image.fromarray(b) for b in self.backgrounds]
        self._foregrounds = [Image.fromarray(f) for f in self.foregrounds]
        self._coverage = [f.getchannel("A") for f in self._foregrounds]

    def samples(self) -> Iterator[tuple[Image.Image, Image.Image]]:
        """Yield image and mask of each sample."""
        for background, foreground, left, top in self.rows:
            cutout = self._foregrounds[foreground]
            image = self._backgrounds[background].copy()
            image.paste(cutout, (left, top), cutout)
            mask = Image.new("L", image.size)
            mask.paste(self._coverage[foreground], (left, top))
            yield image, mask

    def run(self) -> None:
        """Paste sample by sample."""
        self._made = list(self.samples())

    def result(self) -> tuple[Pixels, Pixels]:
        """Return the images as arrays."""
        images, masks = zip(*self._made, strict=True)
        return np.stack([np.asarray(i) for i in images]), np.stack([np.asarray(m) for m in masks])


class NumPy(Peer):
    """Slices and the integer rule on whole arrays, into preallocated outputs."""

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        super().__init__(bank, placements)
        self._colour = [f[..., :3].astype(np.uint16) for f in self.foregrounds]
        self._coverage = [f[..., 3:].astype(np.uint16) for f in self.foregrounds]

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


class OpenCV(Peer):
    """Foregrounds premultiplied ahead; three OpenCV calls per blend.

    The sum is an integer up to 65025, and a 255th of it never lies halfway between two integers,
    so rounding to nearest gives the rule's own value.
    """

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        super().__init__(bank, placements)
        self._cv2 = import_module("cv2")
        self._coverage = [np.ascontiguousarray(f[..., 3]) for f in self.foregrounds]
        self._rest = [np.repeat(255 - f[..., 3:], 3, axis=2) for f in self.foregrounds]
        self._premultiplied = [
            f[..., :3].astype(np.uint16) * f[..., 3:].astype(np.uint16) for f in self.foregrounds
        ]

    def run(self) -> None:
        """Blend sample by sample."""
        cv2 = self._cv2
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


class Albumentations(Peer):
    """OverlayElements: copies pixels of coverage above zero, never blends."""

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        super().__init__(bank, placements)
        library = import_module("albumentations")
        self._transform = library.Compose([library.OverlayElements(p=1.0)])
        self._empty = np.zeros((self.side, self.side), np.uint8)
        self._metadata = []
        for _, foreground, left, top in self.rows:
            cutout = self.foregrounds[foreground]
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


class TorchInteger(Peer):
    """Indexing and the integer rule on the whole batch."""

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        height, width = bank.foreground_sizes.max(axis=0).tolist()
        padded = np.zeros((bank.foreground_count, height, width, 4), np.uint8)
        for i in range(bank.foreground_count):  # coverage is 0 beyond each foreground's own size
            cutout = bank.foreground(i)
            padded[i, : cutout.shape[0], : cutout.shape[1]] = cutout
        self.side, self.device = bank.canvas, device
        self.backgrounds = torch.tensor(bank.backgrounds, device=device)
        self.cutouts = torch.from_numpy(padded).to(device)
        columns = (placements.background, placements.foreground, placements.left, placements.top)
        self.columns = [torch.from_numpy(c).to(device, torch.int64) for c in columns]

    def run(self) -> None:
        """Blend the batch."""
        self._made = _over(self.backgrounds, self.cutouts, *self.columns)

    def result(self) -> tuple[Pixels, Pixels]:
        """Return the tensors as arrays."""
        image, mask = self._made
        return image.cpu().numpy(), mask.cpu().numpy()


def _over(
    backgrounds: Any, cutouts: Any, background: Any, foreground: Any, left: Any, top: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    line = torch.arange(backgrounds.shape[1], device=backgrounds.device)
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


class TorchCompiled(TorchInteger):
    """The same expression through torch.compile."""

    compiled: Any = None

    def run(self) -> None:
        """Blend the batch; the first call compiles."""
        TorchCompiled.compiled = TorchCompiled.compiled or torch.compile(_over, dynamic=True)
        self._made = TorchCompiled.compiled(self.backgrounds, self.cutouts, *self.columns)


class TorchGridSample(TorchInteger):
    """grid_sample places the foreground, floats blend it: close, not the same bytes."""

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        super().__init__(bank, placements, device)
        self.planes = self.cutouts.permute(0, 3, 1, 2).float() / 255

    def run(self) -> None:
        """Place, blend, round."""
        background, foreground, left, top = self.columns
        placed = self.placed(foreground, left, top)
        coverage = placed[:, 3:]
        below = self.backgrounds[background].permute(0, 3, 1, 2).float()
        blended = placed[:, :3] * 255 * coverage + below * (1 - coverage)
        image = blended.add_(0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        self._made = image, (coverage[:, 0] * 255 + 0.5).to(torch.uint8)

    def placed(self, foreground: Any, left: Any, top: Any) -> torch.Tensor:
        """Return the foregrounds on empty canvases, (n, 4, side, side) float."""
        height, width = self.planes.shape[2:]
        line = torch.arange(self.side, device=self.device, dtype=torch.float32) + 0.5
        x = (line - left[:, None]) * (2 / width) - 1
        y = (line - top[:, None]) * (2 / height) - 1
        shape = (len(x), self.side, self.side)
        grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=-1)
        return torch.nn.functional.grid_sample(
            self.planes[foreground], grid, mode="nearest", align_corners=False
        )


class Kornia(TorchGridSample):
    """kornia's translate places the foreground, floats blend it."""

    def __init__(self, bank: Bank, placements: Placements, device: torch.device = CPU) -> None:
        self._translate = import_module("kornia.geometry.transform").translate
        super().__init__(bank, placements, device)
        height, width = self.planes.shape[2:]
        margins = (0, self.side - width, 0, self.side - height)
        self.wide = torch.nn.functional.pad(self.planes, margins)

    def placed(self, foreground: Any, left: Any, top: Any) -> torch.Tensor:
        """Return the shifted foregrounds, (n, 4, side, side) float."""
        shift = torch.stack([left, top], dim=1).float()
        return self._translate(self.wide[foreground], shift, mode="nearest", align_corners=True)


def same_pixels(result: tuple[Pixels, Pixels], expected: tuple[Pixels, Pixels]) -> bool:
    """Return whether images and masks equal the expected ones, as far as the peer made them."""
    return all(
        np.array_equal(got, ours[: len(got)]) for got, ours in zip(result, expected, strict=True)
    )


def composited(
    label: str, bank: Bank, placements: Placements, *, backend: str = "numba",
    threads: int = CORES, unit: float = 1.0,
) -> tuple[Contender, Composite]:  # fmt: skip
    """Return a contender that runs one of our CPU backends, and its outputs.

    `unit` is the work of one sample.
    """
    compositor = Compositor(bank, backend=backend, device="cpu")
    out = compositor.allocate(len(placements))

    def call() -> None:
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        compositor(placements, out)
        numba.set_num_threads(before)

    return Contender(label, "ours", call, len(placements) * unit), out


CPU_PEERS: dict[str, tuple[type[Peer], str, int]] = {
    "Pillow": (Pillow, "the original's loop, 1 thread", 1),
    "NumPy": (NumPy, "1 thread", 4),
    "OpenCV": (OpenCV, "sample by sample", 1),
    "torch": (TorchInteger, "whole batch, all threads", 8),
    "kornia": (Kornia, "translate and float blend, all threads", 8),
    "AlbumentationsX": (Albumentations, "OverlayElements", 8),
}
"""By name: the class, a note, and by how much smaller the batch is (of slow ones)."""

GPU_PEERS: dict[str, tuple[type[Peer], str]] = {
    "torch": (TorchInteger, "indexing and the integer rule"),
    "torch.compile": (TorchCompiled, "the same, compiled"),
    "torch, grid_sample": (TorchGridSample, "float blend"),
    "kornia": (Kornia, "translate and float blend"),
    "Pillow on the CPU": (Pillow, "1 thread"),
}
