"""Names: of samples, of exported assets, of parts. One place, so that writer and reader agree.

Names hold ASCII letters, digits, ``_`` and ``-`` only: never a dot, at which WebDataset cuts keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evafast.sampling.recipe import Placements, Recipe

IMAGE_FOLDER = "fg_bg"
MASK_FOLDER = "fg_bg_mask"
DEPTH_FOLDER = "fg_bg_depth"
MANIFEST = "manifest.json"
SAMPLES = "samples.csv"
DEPTH_RANGE = "depth_range.npy"
SHARD_INDEX = "shards/index.json"


def shard_name(part: int) -> str:
    """Return a shard's path in the data set."""
    return f"shards/shard-{part:06d}.tar"


def checksum_name(part: int) -> str:
    """Return the path of the checksum list of a part of the folder layout."""
    return f"checksums/part-{part:06d}.sha256"


@dataclass(frozen=True, kw_only=True)
class Names:
    """Numbers samples and assets from 1, wider where there are more.

    Parameters
    ----------
    backgrounds, foregrounds, placements : int
        How many there are of each, mirrors included.
    """

    backgrounds: int
    foregrounds: int
    placements: int

    @classmethod
    def of(cls, recipe: Recipe) -> Names:
        """Return the names of a recipe's samples."""
        return cls(
            backgrounds=recipe.background_count,
            foregrounds=recipe.foreground_count,
            placements=recipe.placements,
        )

    def background(self, which: int) -> str:
        """Return ``bg001`` for background 0."""
        return f"bg{which + 1:0{max(3, len(str(self.backgrounds)))}d}"

    def foreground(self, which: int) -> str:
        """Return ``fg001`` for foreground 0."""
        return f"fg{which + 1:0{max(3, len(str(self.foregrounds)))}d}"

    def samples(self, placements: Placements) -> list[str]:
        """Return ``bg001_fg001_01``, ... for a batch."""
        b, f = max(3, len(str(self.backgrounds))), max(3, len(str(self.foregrounds)))
        p = max(2, len(str(self.placements)))
        rows = zip(
            placements.background.tolist(),
            placements.foreground.tolist(),
            placements.placement.tolist(),
            strict=True,
        )
        return [f"bg{i + 1:0{b}d}_fg{j + 1:0{f}d}_{k + 1:0{p}d}" for i, j, k in rows]

    def background_of(self, sample: str) -> str:
        """Return the background's part of a sample's name."""
        return sample.partition("_")[0]
