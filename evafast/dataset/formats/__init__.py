"""How samples are stored: one module per format, and one registry line per format below.

A format writes, locates, checks and indexes its own samples; nothing else knows their names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from evafast.dataset.manifest import FileRecord, ShardRecord

if TYPE_CHECKING:
    from evafast.dataset.plan import Plan, Shard
    from evafast.dataset.store import Store

Finished: TypeAlias = tuple[Sequence[ShardRecord], tuple[FileRecord, ...]]
"""See `Format.finish`."""

FORMATS = {
    "webdataset": "evafast.dataset.formats.webdataset:WebDataset",
    "folder": "evafast.dataset.formats.folder:Folder",
    "zip": "evafast.dataset.formats.zip:Zip",
}
"""``module:class`` of every format by the name that ``--layout`` takes."""


class EncodedSample(NamedTuple):
    """The encoded files of one sample; `depth` is None without depth, `record` is JSON."""

    name: str
    image: bytes
    mask: bytes
    depth: bytes | None
    record: bytes


class ShardWriter(Protocol):
    """A shard being written; it appears as a whole when it is committed, or never."""

    def append(self, packed: Any) -> None:
        """Append what `Format.pack` returned; called in order, in one thread."""

    def finish(self) -> tuple[FileRecord, ...]:
        """End the shard and return its files. Nothing appears yet."""

    def commit(self) -> None:
        """Make the shard appear, after `finish`."""

    def discard(self) -> None:
        """Discard what is not committed."""


class ShardFiles:
    """A `ShardWriter` of parallel files; `names` maps names in records to names in the store."""

    def __init__(self, store: Store, names: dict[str, str]) -> None:
        self._files = {record: store.create(name) for record, name in names.items()}

    def append(self, packed: Any) -> None:
        """Append bytes to each file."""
        for record, data in packed.items():
            self._files[record].write(data)

    def finish(self) -> tuple[FileRecord, ...]:
        """Return what was written."""
        return tuple(
            FileRecord(file=record, size=file.size, sha256=file.sha256)
            for record, file in self._files.items()
        )

    def commit(self) -> None:
        """Make every file appear."""
        for file in self._files.values():
            file.commit()

    def discard(self) -> None:
        """Discard every file that is not committed."""
        for file in self._files.values():
            file.discard()


class Format(Protocol):
    """How samples are stored; the inherited methods suit shards of one or more whole files.

    Attributes
    ----------
    index_files : tuple of str
        Files that `finish` writes, besides the shards' own.
    """

    index_files: tuple[str, ...] = ()
    _store: Store
    _plan: Plan

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store, self._plan = store, plan

    def pack(self, shard: Shard, samples: Sequence[EncodedSample]) -> Any:
        """Make samples ready to append; runs in encoder threads."""

    def create(self, shard: Shard) -> ShardWriter:
        """Start a shard, before any of its samples are packed."""

    def is_complete(self, record: ShardRecord) -> bool:
        """Return whether a recorded shard's files are there, judged by their sizes."""
        return all(self._store.size(file.file) == file.size for file in record.files)

    def finish(self, records: Sequence[ShardRecord]) -> Finished:
        """Write the remaining files once every shard is there.

        Returns
        -------
        shards : sequence of ShardRecord
            As the manifest records them.
        archives : tuple of FileRecord
            Files that all shards share.
        """
        return records, ()

    def reopen(self, records: Sequence[ShardRecord], damaged: Collection[int]) -> None:
        """Undo `finish` for the shards that are not damaged, so that the others can be replaced."""
        return  # shards are files of their own

    def files(self, record: ShardRecord) -> Iterator[FileRecord]:
        """Yield the record of every file of a shard, or of its range in a shared file."""
        yield from record.files

    def location(self, shard: Shard, name: str) -> dict[str, str]:
        """Return where a sample's composite is: ``file_name`` and the archive it is in, if any."""

    def read(self, record: ShardRecord, row: int, name: str, field: str) -> bytes:
        """Return a file of the sample at `row` of a shard.

        Raises OSError, ValueError, IndexError or struct.error if it is not there.
        """


def open_format(store: Store, plan: Plan) -> Format:
    """Return a plan's format on a store."""
    module, _, name = FORMATS[plan.layout].partition(":")
    format_: Format = getattr(import_module(module), name)(store, plan)
    return format_
