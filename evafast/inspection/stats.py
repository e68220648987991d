"""``stats``: the table that the original exercise asks for, from the files themselves.

Streaming: every file is read and decoded once, sums are exact integers, memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from evafast.dataset.codec import decode_picture
from evafast.dataset.members import FOLDERS, fields_of
from evafast.dataset.naming import DEPTH_FOLDER
from evafast.dataset.statistics import PixelSums
from evafast.system.threads import usable_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evafast.dataset.reader import StoredDataset

_AHEAD = 256


@dataclass
class FolderStatistics:
    """Statistics of one kind of picture.

    Attributes
    ----------
    sums : PixelSums
    shapes : set of (height, width, channels)
    scale : float
        What pixel values are divided by for mean and spread.
    unit : str
        ``0..1`` or ``metres``.
    """

    sums: PixelSums = field(default_factory=PixelSums)
    shapes: set[tuple[int, int, int]] = field(default_factory=set)
    scale: float = 255.0
    unit: str = "0..1"

    def add(self, pixels: NDArray) -> None:
        """Count one picture."""
        self.sums += PixelSums.of(pixels)
        height, width = pixels.shape[:2]
        self.shapes.add((height, width, pixels.shape[2] if pixels.ndim == 3 else 1))

    @property
    def dimension(self) -> str:
        """Sizes as ``224x224x3``, or as ranges where they differ."""
        return "x".join(
            str(min(side)) if len(set(side)) == 1 else f"{min(side)}-{max(side)}"
            for side in ([w for _, w, _ in self.shapes], [h for h, _, _ in self.shapes],
                         [c for _, _, c in self.shapes])
        )  # fmt: skip

    def to_json(self) -> dict:
        """Return plain values."""
        return {
            "images": self.sums.images, "dimension": self.dimension, "unit": self.unit,
            "mean": self.sums.mean(self.scale), "pixel_std": self.sums.std(self.scale),
        }  # fmt: skip


def statistics(
    dataset: StoredDataset, advance: Callable[[int], None] = lambda count: None
) -> dict[str, FolderStatistics]:
    """Read every picture of a data set.

    Parameters
    ----------
    dataset : StoredDataset
    advance : callable
        Told how many more samples were read.

    Returns
    -------
    dict
        By folder: bg, fg, fg_bg, fg_bg_mask and, with depth, fg_bg_depth.

    Raises
    ------
    RunError
        When a file is missing or does not decode.
    """
    fields = fields_of(dataset.manifest)
    table = {name: FolderStatistics() for name in ("bg", "fg", *(FOLDERS[f] for f in fields))}
    if dataset.manifest["depth_encoding"] == "metric16":
        table[DEPTH_FOLDER] = FolderStatistics(scale=1000.0, unit="metres")
    names = dataset.names
    for kind, count, named in (
        ("bg", dataset.recipe.background_count, names.background),
        ("fg", dataset.recipe.foreground_count, names.foreground),
    ):
        for i in range(count):
            file = f"{kind}/{named(i)}.png"
            table[kind].add(dataset.read_asset(file))

    def decode(job: tuple[str, dict[str, bytes]]) -> dict[str, NDArray]:
        name, files = job
        return {f: decode_picture(data, f"{name} {f}") for f, data in files.items()}

    with ThreadPoolExecutor(len(usable_cores())) as pool:
        jobs = _read_all(dataset)
        while chunk := list(islice(jobs, _AHEAD)):
            for pictures in pool.map(decode, chunk):
                for f, pixels in pictures.items():
                    table[FOLDERS[f]].add(pixels)
            advance(len(chunk))
    return table


def _read_all(dataset: StoredDataset) -> Iterable[tuple[str, dict[str, bytes]]]:
    for start in range(0, len(dataset), _AHEAD):
        positions = range(start, min(start + _AHEAD, len(dataset)))
        for position, name in zip(
            positions, dataset.names.samples(dataset.placements_at(positions)), strict=True
        ):
            yield name, dataset.read_sample(position, name)


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
    return "\n".join([*lines, "mean and std are of single pixel values, a channel each"])
