"""Plan: everything that determines a dataset's bytes, and nothing else.

Equal plans give equal bytes, whatever the batch size, threads or backend. A run resumes in a folder
only if its plan equals the one the folder was started with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from evafast import __version__
from evafast.dataset.codec import IMAGE_FORMATS, Codec
from evafast.dataset.naming import SampleNames
from evafast.errors import quoted
from evafast.sampling.recipe import Recipe

Json = dict[str, Any]

FORMAT_VERSION = 1
"""Version of the layout on disk; raised when readers have to change."""

_KEYS = {"format_version": "format", "samples_per_shard": "samples_per_part"}
"""Names on disk of fields that are called something else here."""


@dataclass(frozen=True, kw_only=True)
class BackgroundEntry:
    """A background: its input file's name and the SHA-256 of its preprocessed pixels."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ForegroundEntry:
    """A foreground or mirror: file name, size in pixels, SHA-256 of its preprocessed pixels."""

    name: str
    mirrored: bool
    width: int
    height: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DepthEntry:
    """Everything that determines a dataset's depth maps; see `DepthEstimator.identity`.

    It includes `batch_size` because sums may round differently in batches of another size.
    """

    model: str
    network: Json
    kind: str
    metres_per_unit: float | None
    precision: str
    device: str
    input_size: int
    batch_size: int

    def to_json(self) -> Json:
        """Return plain values, with those of `network` after the model."""
        values = vars(self).copy()
        return {"model": values.pop("model"), **values.pop("network"), **values}

    @classmethod
    def from_json(cls, values: Json) -> DepthEntry:
        """Return the entry that `to_json`, or `DepthEstimator.identity`, describes."""
        own = {f.name: values[f.name] for f in fields(cls) if f.name != "network"}
        return cls(**own, network={k: v for k, v in values.items() if k not in own})


@dataclass(frozen=True)
class Shard:
    """Positions `start` to `stop` of the shuffled order, written, recorded and resumed as one."""

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that determines a dataset's bytes.

    The first `samples` of the recipe's `samples_in_recipe` are written, in shuffled order.
    `quality` is None for PNG; `depth_encoding` is None without depth.
    """

    evafast: str = __version__
    format_version: int = FORMAT_VERSION
    seed: int
    placements: int
    samples: int
    samples_in_recipe: int
    samples_per_shard: int
    canvas: int
    preprocessing: Json
    layout: str
    image_format: str
    quality: int | None
    encoder: str
    mask: str
    depth: DepthEntry | None
    depth_encoding: str | None
    backgrounds: tuple[BackgroundEntry, ...]
    foregrounds: tuple[ForegroundEntry, ...]

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the samples; the stored sample at position i is ``recipe.order[i]``."""
        return Recipe(
            background_count=len(self.backgrounds),
            foreground_sizes=[(f.height, f.width) for f in self.foregrounds],
            placements=self.placements, seed=self.seed, canvas=self.canvas,
        )  # fmt: skip

    @cached_property
    def names(self) -> SampleNames:
        """Names of the samples."""
        return SampleNames(
            backgrounds=len(self.backgrounds), foregrounds=len(self.foregrounds),
            placements=self.placements,
        )  # fmt: skip

    @property
    def assets(self) -> dict[str, BackgroundEntry | ForegroundEntry]:
        """Every exported asset by its file name."""
        files = (*self.names.background_files(), *self.names.foreground_files())
        return dict(zip(files, (*self.backgrounds, *self.foregrounds), strict=True))

    @property
    def codec(self) -> Codec:
        """The codec with this plan's settings and the libraries installed here."""
        return Codec(image_format=self.image_format, quality=self.quality or Codec.quality)

    @property
    def image_suffix(self) -> str:
        """Suffix of the composites' files, without a dot."""
        return IMAGE_FORMATS[self.image_format]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of every sample, one file each."""
        return ("image", "mask", "depth") if self.depth else ("image", "mask")

    @property
    def shard_count(self) -> int:
        """Number of shards."""
        return -(-self.samples // self.samples_per_shard)

    def shard(self, number: int) -> Shard:
        """Return a shard by number."""
        size = self.samples_per_shard
        return Shard(number, number * size, min((number + 1) * size, self.samples))

    def sample_names(self, shard: Shard) -> list[str]:
        """Return the names of a shard's samples in order."""
        return self.names.samples(self.recipe[self.recipe.order[shard.start : shard.stop]])

    def to_json(self) -> Json:
        """Return plain values, in the order in which they are written."""
        values = {_KEYS.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        return values | {
            "depth": self.depth and self.depth.to_json(),
            "backgrounds": [vars(entry) for entry in self.backgrounds],
            "foregrounds": [vars(entry) for entry in self.foregrounds],
        }

    @classmethod
    def from_json(cls, values: Json) -> Plan:
        """Return the plan that `to_json` describes."""
        own = {f.name: values[_KEYS.get(f.name, f.name)] for f in fields(cls)}
        return cls(**own | {
            "depth": values["depth"] and DepthEntry.from_json(values["depth"]),
            "backgrounds": tuple(BackgroundEntry(**entry) for entry in values["backgrounds"]),
            "foregrounds": tuple(ForegroundEntry(**entry) for entry in values["foregrounds"]),
        })  # fmt: skip


def first_difference(there: Any, expected: Any, path: str = "") -> str | None:
    """Return where two trees of plain values first differ, such as ``seed: expected 1, got 0``."""
    return next(_differences(there, expected, path), None)


def _differences(there: Any, expected: Any, path: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(expected, dict):
        for key in [*expected, *(k for k in there if k not in expected)]:
            inner = f"{path}.{key}" if path else key
            yield from _differences(there.get(key), expected.get(key), inner)
    elif isinstance(there, list) and isinstance(expected, list):
        if len(there) != len(expected):
            yield f"number of {path}: expected {len(expected)}, got {len(there)}"
        for i, (old, new) in enumerate(zip(there, expected, strict=False)):
            yield from _differences(old, new, f"{path}[{i}]")
    elif there != expected:  # names may contain anything, even line breaks
        yield f"{path}: expected {quoted(expected)[1:-1]}, got {quoted(there)[1:-1]}"
