"""Format ``folder``: plain files, a folder of samples for every background.

The files of a shard are staged, renamed one by one, then recorded with their checksums in a list
that ``sha256sum -c`` reads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evafast.dataset.manifest import FileRecord, ShardRecord
from evafast.dataset.naming import sample_path
from evafast.dataset.plan import Plan, Shard
from evafast.dataset.store import WORKING_FOLDER, LocalStore

if TYPE_CHECKING:
    from evafast.dataset.formats import EncodedSample
    from evafast.dataset.store import Store


class _PackedFile(NamedTuple):
    name: str
    sha256: str
    data: bytes  # empty if the file is staged


class Folder:
    """Image, mask and depth in three parallel trees; see `Format`."""

    index_files: tuple[str, ...] = ()

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store, self._plan = store, plan

    def pack(self, shard: Shard, samples: Sequence[EncodedSample]) -> list[_PackedFile]:
        """Stage the files of samples; a remote store keeps them in memory."""
        packed = []
        for sample in samples:
            for field in self._plan.fields:
                data: bytes = getattr(sample, field)
                name = sample_path(sample.name, field, self._plan.image_suffix)
                digest = hashlib.sha256(data).hexdigest()
                if isinstance(self._store, LocalStore):
                    with (
                        self._store.one_line_errors(),
                        open(_staged(self._store, shard, name), "wb") as stream,
                    ):
                        stream.write(data)
                    data = b""
                packed.append(_PackedFile(name, digest, data))
        return packed

    def create(self, shard: Shard) -> _StagedShard:
        """Start staging."""
        return _StagedShard(self._store, shard)

    def is_complete(self, record: ShardRecord) -> bool:
        """Look for the checksum list and every file in it, none of them empty."""
        (listing,) = record.files
        return self._size(listing.file) == listing.size and all(
            self._size(name) for name in self._digests(record)
        )

    def _size(self, name: str) -> int:
        return self._store.size(name) if self._store.exists(name) else 0

    def _digests(self, record: ShardRecord) -> dict[str, str]:
        lines = self._store.read(record.files[0].file).decode().splitlines()
        pairs = (line.partition("  ") for line in lines)
        return {name: digest for digest, _, name in pairs}

    def finish(
        self, records: Sequence[ShardRecord]
    ) -> tuple[Sequence[ShardRecord], tuple[FileRecord, ...]]:
        """Flush the file system once; every file has its name by now.

        Flushing each shard would wait for whatever else the machine writes. A file that a power
        cut leaves empty before this is found by `is_complete`, and its shard written again.
        """
        if isinstance(self._store, LocalStore):
            os.sync()
        return records, ()

    def reopen(self, records: Sequence[ShardRecord], damaged: Collection[int]) -> None:
        """Do nothing: files can be replaced one by one."""

    def files(self, record: ShardRecord) -> Iterator[FileRecord]:
        """Yield the checksum list and the files that it should name."""
        (listing,) = record.files
        yield listing
        digests = self._digests(record) if self._store.exists(listing.file) else {}
        for name in self._plan.sample_names(self._plan.shard(record.number)):
            for field in self._plan.fields:
                path = sample_path(name, field, self._plan.image_suffix)
                yield FileRecord(file=path, size=None, sha256=digests.get(path))

    def location(self, shard: Shard, name: str) -> dict[str, str]:
        """Return the file's path."""
        return {"file_name": sample_path(name, "image", self._plan.image_suffix)}

    def read(self, record: ShardRecord, row: int, name: str, field: str) -> bytes:
        """Read a file."""
        return self._store.read(sample_path(name, field, self._plan.image_suffix))


def _checksum_name(number: int) -> str:
    return f"checksums/part-{number:06d}.sha256"


def _staged(store: LocalStore, shard: Shard, name: str) -> str:
    """Return where a file waits for its shard's commit."""
    return f"{store.root}/{WORKING_FOLDER}/part-{shard.number:06d}/{name.replace('/', '+')}"


class _StagedShard:
    def __init__(self, store: Store, shard: Shard) -> None:
        self._store, self._shard = store, shard
        self._files: list[_PackedFile] = []
        if isinstance(store, LocalStore):
            with store.one_line_errors():
                os.makedirs(os.path.dirname(_staged(store, shard, "x")), exist_ok=True)

    def append(self, packed: list[_PackedFile]) -> None:
        self._files += packed

    def finish(self) -> tuple[FileRecord, ...]:
        """Return the checksum list, which has all the rest."""
        text = self._listing()
        digest = hashlib.sha256(text).hexdigest()
        name = _checksum_name(self._shard.number)
        return (FileRecord(file=name, size=len(text), sha256=digest),)

    def commit(self) -> None:
        if isinstance(self._store, LocalStore):
            with self._store.one_line_errors():
                self._move(self._store)
        else:
            for file in self._files:
                self._store.write(file.name, file.data)
        self._store.write(_checksum_name(self._shard.number), self._listing())

    def _listing(self) -> bytes:
        return "".join(f"{file.sha256}  {file.name}\n" for file in self._files).encode()

    def _move(self, store: LocalStore) -> None:
        made: set[str] = set()
        for file in self._files:
            target = store.path(file.name)
            if (folder := str(target.parent)) not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            os.replace(_staged(store, self._shard, file.name), target)
        os.rmdir(os.path.dirname(_staged(store, self._shard, "x")))

    def discard(self) -> None:
        """Leave what is staged: the next run overwrites it, and the finished one clears it."""
