"""Names of samples and files, defined once so that writer and reader agree.

Sample names contain only ASCII letters, digits, ``_`` and ``-``, never a dot: WebDataset cuts keys
at the first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evafast.sampling.recipe import Placements

FOLDERS = {"image": "fg_bg", "mask": "fg_bg_mask", "depth": "fg_bg_depth"}
"""Folder (or archive) that holds each field of a sample."""

MANIFEST = "manifest.json"
SAMPLES_CSV = "samples.csv"
DEPTH_RANGE = "depth_range.npy"


@dataclass(frozen=True, kw_only=True)
class SampleNames:
    """Names samples and assets by 1-based numbers, with more digits where needed.

    `backgrounds`, `foregrounds` (mirrors included) and `placements` are counts.
    """

    backgrounds: int
    foregrounds: int
    placements: int

    def background_files(self) -> list[str]:
        """Return the path of every exported background: ``bg/bg001.png``, ..."""
        digits = _digits(self.backgrounds, 3)
        return [f"bg/bg{i + 1:0{digits}d}.png" for i in range(self.backgrounds)]

    def foreground_files(self) -> list[str]:
        """Return the path of every exported foreground, mirrors included."""
        digits = _digits(self.foregrounds, 3)
        return [f"fg/fg{i + 1:0{digits}d}.png" for i in range(self.foregrounds)]

    def samples(self, placements: Placements) -> list[str]:
        """Return ``bg001_fg001_01``, ... for a batch."""
        b, f = _digits(self.backgrounds, 3), _digits(self.foregrounds, 3)
        p = _digits(self.placements, 2)
        columns = (placements.background, placements.foreground, placements.placement)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [f"bg{i + 1:0{b}d}_fg{j + 1:0{f}d}_{k + 1:0{p}d}" for i, j, k in rows]


def _digits(count: int, least: int) -> int:
    return max(least, len(str(count)))


def sample_path(sample: str, field: str, image_suffix: str) -> str:
    """Return the path of a sample's file in the folder format, also used in zip archives."""
    suffix = image_suffix if field == "image" else "png"
    return f"{FOLDERS[field]}/{sample.partition('_')[0]}/{sample}.{suffix}"
