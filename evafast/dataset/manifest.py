"""The manifest of a finished dataset, as typed records and as the JSON on disk.

It holds the plan and the results: statistics, and every file's size and SHA-256. It includes its
own hash, and a copy is kept in the working folder, so that a flipped byte in it is found and
repaired as in any other file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evafast.dataset.naming import MANIFEST
from evafast.dataset.plan import FORMAT_VERSION, Json, Plan
from evafast.dataset.store import WORKING_FOLDER
from evafast.errors import UsageError, quoted

if TYPE_CHECKING:
    from evafast.dataset.store import Store

MANIFEST_COPY = f"{WORKING_FOLDER}/{MANIFEST}"
_OWN_HASH = "sha256_of_the_rest"


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """The expected size and hash of a file, or of a range of it that begins at `offset`.

    `size` is None if it is not recorded, `sha256` if the record of it is damaged.
    """

    file: str
    size: int | None
    sha256: str | None
    offset: int | None = None

    def to_json(self) -> Json:
        """Return plain values; the offset only if there is one."""
        return {name: value for name, value in vars(self).items() if value is not None}


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

    `statistics` has, by folder, the number of images, the unit, and the mean and pixel standard
    deviation of each channel. `files` belong to no single shard: assets, list of samples,
    indexes. `archives` are files that all shards share.
    """

    plan: Plan
    statistics: dict[str, Json]
    files: tuple[FileRecord, ...]
    shards: tuple[ShardRecord, ...]
    archives: tuple[FileRecord, ...] = ()

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


def _encoded(values: Json) -> bytes:
    """Return the manifest's bytes: its values, then their hash."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return json.dumps({**values, _OWN_HASH: digest}, indent=1).encode()


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Write a manifest and its copy, the copy first."""
    data = _encoded(manifest.to_json())
    store.write(MANIFEST_COPY, data)
    store.write(MANIFEST, data)


def read_manifest(store: Store) -> Manifest:
    """Return the manifest of a finished dataset; UsageError if there is none or it is damaged."""
    if not store.exists(MANIFEST) and not store.exists(MANIFEST_COPY):
        raise UsageError(
            f"dataset: expected a finished one, got {quoted(store)} without {MANIFEST}; finish it "
            "with the command that started it, or check the path"
        )
    manifest = intact_manifest(store, MANIFEST)
    if manifest is None:
        raise UsageError(
            f"dataset: {MANIFEST} of {quoted(store)} is damaged or missing; run "
            "evafast inspect repair on it"
        )
    return manifest


def any_manifest(store: Store) -> Manifest | None:
    """Return the manifest, or its copy if only that is intact, or None."""
    return intact_manifest(store, MANIFEST) or intact_manifest(store, MANIFEST_COPY)


def intact_manifest(store: Store, file: str) -> Manifest | None:
    """Return the manifest in a file, or None if it is missing or any byte of it has changed.

    Raise `UsageError` if this version does not know its format.
    """
    if not store.exists(file):
        return None
    data = store.read(file)
    try:
        values = json.loads(data)
        del values[_OWN_HASH]
        if data != _encoded(values):
            return None
    except (ValueError, KeyError, TypeError):
        return None
    if values.get("format") != FORMAT_VERSION:
        raise UsageError(
            f"dataset: expected format {FORMAT_VERSION}, got {values.get('format')} in "
            f"{quoted(store)}; read it with evafast {values.get('evafast')}"
        )
    return Manifest.from_json(values)
