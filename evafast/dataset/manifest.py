"""Plan and manifest: what a dataset is, as typed records and as the JSON on disk.

The plan is everything that decides a dataset's bytes; equal plans give equal bytes, whatever the
batch size, threads or backend. The manifest adds what came of it: statistics and every file's
size and SHA-256. It holds a hash of itself, and a copy lies in the working folder, so that a
flipped byte in it is found and repaired as in any other file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evafast import __version__
from evafast.dataset.codec import IMAGE_FORMATS, Codec
from evafast.dataset.naming import MANIFEST, SampleNames
from evafast.dataset.store import WORKING_FOLDER
from evafast.errors import UsageError, quoted
from evafast.sampling.recipe import Recipe

if TYPE_CHECKING:
    from evafast.dataset.store import Store

Json = dict[str, Any]

FORMAT_VERSION = 1
"""Version of what lands on disk; raised when readers must know."""

MANIFEST_COPY = f"{WORKING_FOLDER}/{MANIFEST}"
_OWN_HASH = "sha256_of_the_rest"


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
    """Everything that decides a dataset's depth maps.

    Attributes
    ----------
    model, kind, precision, device, input_size, metres_per_unit
        As in `DepthEstimator.identity`; `device` is the device's type.
    network : dict
        What else tells the model from others: SHA-256 of its weights, its config.
    batch_size : int
        Sums may round differently in batches of another size.
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
        """Return plain values."""
        return {
            "model": self.model, **self.network, "kind": self.kind,
            "metres_per_unit": self.metres_per_unit, "precision": self.precision,
            "device": self.device, "input_size": self.input_size, "batch_size": self.batch_size,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Json) -> DepthEntry:
        """Return the entry that `to_json`, or `DepthEstimator.identity`, describes."""
        names = ("model", "kind", "metres_per_unit", "precision", "device", "input_size",
                 "batch_size")  # fmt: skip
        own = {name: values[name] for name in names}
        return cls(**own, network={k: v for k, v in values.items() if k not in own})


@dataclass(frozen=True)
class Shard:
    """A run of positions in the shuffled order that is written, recorded and resumed as one.

    Attributes
    ----------
    number : int
        0-based.
    start, stop : int
        Positions in the recipe's shuffled order.
    """

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides a dataset's bytes.

    Attributes
    ----------
    samples : int
        How many samples of the shuffled order are written, of `samples_in_recipe`.
    preprocessing : dict
        See `AssetConfig.preprocessing`.
    quality : int or None
        Of JPEG; None for PNG.
    encoder : str
        See `Codec.encoder`.
    depth_encoding : str or None
        None without depth.
    evafast, format_version
        Versions of the package and of what lands on disk.
    """

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
    evafast: str = __version__
    format_version: int = FORMAT_VERSION

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
    def codec(self) -> Codec:
        """The codec with this plan's settings, by the libraries installed here."""
        return Codec(image_format=self.image_format, quality=self.quality or Codec.quality)

    @property
    def image_suffix(self) -> str:
        """Suffix of the composites' files, without a dot."""
        return IMAGE_FORMATS[self.image_format]

    @property
    def fields(self) -> tuple[str, ...]:
        """The files of every sample."""
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
        return {
            "evafast": self.evafast,
            "format": self.format_version,
            "seed": self.seed,
            "placements": self.placements,
            "samples": self.samples,
            "samples_in_recipe": self.samples_in_recipe,
            "samples_per_part": self.samples_per_shard,
            "canvas": self.canvas,
            "preprocessing": self.preprocessing,
            "layout": self.layout,
            "image_format": self.image_format,
            "quality": self.quality,
            "encoder": self.encoder,
            "mask": self.mask,
            "depth": self.depth and self.depth.to_json(),
            "depth_encoding": self.depth_encoding,
            "backgrounds": [vars(entry) for entry in self.backgrounds],
            "foregrounds": [vars(entry) for entry in self.foregrounds],
        }

    @classmethod
    def from_json(cls, values: Json) -> Plan:
        """Return the plan that `to_json` describes."""
        same = ("evafast", "seed", "placements", "samples", "samples_in_recipe", "canvas",
                "preprocessing", "layout", "image_format", "quality", "encoder", "mask",
                "depth_encoding")  # fmt: skip
        return cls(
            **{name: values[name] for name in same},
            format_version=values["format"],
            samples_per_shard=values["samples_per_part"],
            depth=values["depth"] and DepthEntry.from_json(values["depth"]),
            backgrounds=tuple(BackgroundEntry(**entry) for entry in values["backgrounds"]),
            foregrounds=tuple(ForegroundEntry(**entry) for entry in values["foregrounds"]),
        )


def first_difference(there: Any, expected: Any, path: str = "") -> str | None:
    """Return where two trees of plain values first differ, such as ``seed: 0, not 1``."""
    return next(_differences(there, expected, path), None)


def _differences(there: Any, expected: Any, path: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(expected, dict):
        for key in [*expected, *(k for k in there if k not in expected)]:
            inner = f"{path}.{key}" if path else key
            yield from _differences(there.get(key), expected.get(key), inner)
    elif isinstance(there, list) and isinstance(expected, list):
        if len(there) != len(expected):
            yield f"number of {path}: {len(there)}, not {len(expected)}"
        for i, (old, new) in enumerate(zip(there, expected, strict=False)):
            yield from _differences(old, new, f"{path}[{i}]")
    elif there != expected:  # names may hold anything, line breaks too
        yield f"{path}: {quoted(there)[1:-1]}, not {quoted(expected)[1:-1]}"


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What a file must be.

    Attributes
    ----------
    file : str
        Path in the dataset.
    size : int or None
        Bytes; None where it is not recorded.
    sha256 : str or None
        None where it cannot be known.
    offset : int or None
        First byte, if the record is of a range inside the file.
    """

    file: str
    size: int | None
    sha256: str | None
    offset: int | None = None

    def to_json(self) -> Json:
        """Return plain values; the offset only if there is one."""
        values = {"file": self.file, "size": self.size, "sha256": self.sha256}
        return values if self.offset is None else {**values, "offset": self.offset}


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """A finished shard: how many samples it has, and its files."""

    number: int
    count: int
    files: tuple[FileRecord, ...]

    def to_json(self) -> Json:
        """Return plain values."""
        files = [file.to_json() for file in self.files]
        return {"part": self.number, "count": self.count, "pieces": files}

    @classmethod
    def from_json(cls, values: Json) -> ShardRecord:
        """Return the record that `to_json` describes."""
        files = tuple(FileRecord(**file) for file in values["pieces"])
        return cls(number=values["part"], count=values["count"], files=files)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A finished dataset.

    Attributes
    ----------
    plan : Plan
    statistics : dict
        By folder: number of images, unit, mean and pixel standard deviation of each channel.
    files : tuple of FileRecord
        Files of no single shard: assets, list of samples, indexes.
    archives : tuple of FileRecord
        Files that all shards share.
    shards : tuple of ShardRecord
    """

    plan: Plan
    statistics: dict[str, Json]
    files: tuple[FileRecord, ...]
    shards: tuple[ShardRecord, ...]
    archives: tuple[FileRecord, ...] = field(default=())

    def to_json(self) -> Json:
        """Return plain values, in the order in which they are written."""
        archives = {"archives": _by_name(self.archives)} if self.archives else {}
        return {
            **self.plan.to_json(),
            "statistics": self.statistics,
            "files": _by_name(self.files),
            **archives,
            "parts": [shard.to_json() for shard in self.shards],
        }

    @classmethod
    def from_json(cls, values: Json) -> Manifest:
        """Return the manifest that `to_json` describes."""

        def records(named: Json) -> tuple[FileRecord, ...]:
            return tuple(FileRecord(file=name, **rest) for name, rest in named.items())

        return cls(
            plan=Plan.from_json(values), statistics=values["statistics"],
            files=records(values["files"]), archives=records(values.get("archives", {})),
            shards=tuple(ShardRecord.from_json(shard) for shard in values["parts"]),
        )  # fmt: skip


def _by_name(files: tuple[FileRecord, ...]) -> Json:
    return {f.file: {"size": f.size, "sha256": f.sha256} for f in files}


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Write a manifest and its copy, the copy first."""
    values = manifest.to_json()
    data = json.dumps({**values, _OWN_HASH: _digest(values)}, indent=1).encode()
    store.write(MANIFEST_COPY, data)
    store.write(MANIFEST, data)


def read_manifest(store: Store) -> Manifest:
    """Return the manifest of a finished dataset.

    Raises
    ------
    UsageError
        If there is none, it is damaged, or it is of a format unknown to this version.
    """
    if not store.exists(MANIFEST) and not store.exists(MANIFEST_COPY):
        raise UsageError(
            f"dataset: expected a finished one, got {quoted(store)} without {MANIFEST}; finish it "
            "with the command that began it, or check the path"
        )
    manifest = intact_manifest(store, MANIFEST)
    if manifest is None:
        raise UsageError(
            f"dataset: {MANIFEST} of {quoted(store)} is damaged or missing; run python -m "
            "evafast.inspect repair on it"
        )
    return manifest


def intact_manifest(store: Store, file: str) -> Manifest | None:
    """Return the manifest in a file, or None if it is missing or any byte of it has changed.

    Raises
    ------
    UsageError
        If it is of a format unknown to this version.
    """
    if not store.exists(file):
        return None
    data = store.read(file)
    try:
        values = json.loads(data)
        claimed = values.pop(_OWN_HASH)
        intact = claimed == _digest(values) and data == json.dumps(
            {**values, _OWN_HASH: claimed}, indent=1
        ).encode()
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    if not intact:
        return None
    if values.get("format") != FORMAT_VERSION:
        raise UsageError(
            f"dataset: expected format {FORMAT_VERSION}, got {values.get('format')} in "
            f"{quoted(store)}; read it with evafast {values.get('evafast')}"
        )
    return Manifest.from_json(values)


def _digest(values: Json) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
