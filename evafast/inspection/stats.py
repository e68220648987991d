"""``stats``: the table that the original exercise asks for, computed from the files.

Every file is read and decoded once; sums are exact integers and memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from evafast.dataset.codec import decode_image
from evafast.dataset.naming import FOLDERS
from evafast.dataset.statistics import PixelSums
from evafast.system.threads import usable_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evafast.dataset.reader import StoredDataset

_AHEAD = 256


@dataclass
class FolderStatistics:
    """Statistics of one kind of image.

    `shapes` are (height, width, channels); pixel values are divided by `scale`, which gives
    them the `unit` ``0..1`` or ``metres``.
    """

    sums: PixelSums = field(default_factory=PixelSums)
    shapes: set[tuple[int, int, int]] = field(default_factory=set)
    scale: float = 255.0
    unit: str = "0..1"

    def add(self, pixels: NDArray[Any]) -> None:
        """Add one image."""
        self.sums += PixelSums.of(pixels)
        height, width = pixels.shape[:2]
        self.shapes.add((height, width, pixels.shape[2] if pixels.ndim == 3 else 1))

    @property
    def dimension(self) -> str:
        """Width, height and channels as ``224x224x3``, or as ranges if they differ."""
        heights, widths, channels = zip(*self.shapes, strict=True)
        return "x".join(
            f"{min(side)}-{max(side)}" if len(set(side)) > 1 else str(side[0])
            for side in (widths, heights, channels)
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "images": self.sums.images, "dimension": self.dimension, "unit": self.unit,
            "mean": self.sums.mean(self.scale), "pixel_std": self.sums.std(self.scale),
        }  # fmt: skip


def statistics(
    dataset: StoredDataset, advance: Callable[[int], object] = lambda count: None
) -> dict[str, FolderStatistics]:
    """Read every image of a dataset; RunError if one is missing or does not decode.

    Return the statistics by folder: bg, fg, fg_bg, fg_bg_mask and, with depth, fg_bg_depth.
    `advance` is called with the number of samples just read.
    """
    fields = dataset.plan.fields
    table = {name: FolderStatistics() for name in ("bg", "fg", *(FOLDERS[f] for f in fields))}
    if dataset.plan.depth_encoding == "metric16":
        table[FOLDERS["depth"]] = FolderStatistics(scale=1000.0, unit="metres")
    for file in dataset.plan.assets:
        table[file[:2]].add(dataset.read_asset(file))

    def decode(job: tuple[str, dict[str, bytes]]) -> dict[str, NDArray[Any]]:
        name, files = job
        return {f: decode_image(data, f"{name} {f}") for f, data in files.items()}

    with ThreadPoolExecutor(usable_cores()) as pool:
        jobs = ((name, dataset.read_files(at, name)) for at, name in dataset.named())
        while ahead := list(islice(jobs, _AHEAD)):
            for images in pool.map(decode, ahead):
                for f, pixels in images.items():
                    table[FOLDERS[f]].add(pixels)
            advance(len(ahead))
    return table


def as_text(table: dict[str, FolderStatistics]) -> str:
    """Return the table as aligned text."""
    rows = [("folder", "images", "dimension", "mean", "pixel std", "unit")]
    for name, entry in table.items():
        rows.append((
            name, f"{entry.sums.images:,}", entry.dimension,
            " ".join(f"{v:.4f}" for v in entry.sums.mean(entry.scale)),
            " ".join(f"{v:.4f}" for v in entry.sums.std(entry.scale)), entry.unit,
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, "mean and pixel std are of single pixel values, per channel"])
