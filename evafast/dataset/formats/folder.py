"""Format ``folder``: plain files, with one folder of samples per background.

The files of a shard are staged, renamed one by one, then recorded with their checksums in a list
that ``sha256sum -c`` reads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evafast.dataset.formats import Finished, Format
from evafast.dataset.manifest import FileRecord, ShardRecord
from evafast.dataset.naming import sample_path
from evafast.dataset.store import WORKING_FOLDER, LocalStore

if TYPE_CHECKING:
    from evafast.dataset.formats import EncodedSample
    from evafast.dataset.plan import Shard
    from evafast.dataset.store import Store


class _PackedFile(NamedTuple):
    name: str
    sha256: str
    data: bytes  # empty if the file is staged


class Folder(Format):
    """Image, mask and depth in three parallel trees; see `Format`."""

    def _path(self, name: str, field: str) -> str:
        return sample_path(name, field, self._plan.image_suffix)

    def pack(self, shard: Shard, samples: Sequence[EncodedSample]) -> list[_PackedFile]:
        """Stage the files of samples; a remote store keeps them in memory."""
        packed = []
        for sample in samples:
            for field in self._plan.fields:
                data: bytes = getattr(sample, field)
                name = self._path(sample.name, field)
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
        """Return whether the checksum list and every file in it exist and are not empty."""
        return super().is_complete(record) and all(
            self._store.size(name) for name in self._digests(record)
        )

    def _digests(self, record: ShardRecord) -> dict[str, str]:
        lines = self._store.read(record.files[0].file).decode(errors="replace").splitlines()
        pairs = (line.partition("  ") for line in lines)
        return {name: digest for digest, _, name in pairs}

    def finish(self, records: Sequence[ShardRecord]) -> Finished:
        """Flush the file system once; every file has its final name by now.

        Flushing each shard would wait for everything else the machine writes. If a power cut leaves
        a file empty before this, `is_complete` finds it and its shard is written again.
        """
        if isinstance(self._store, LocalStore):
            os.sync()
        return records, ()

    def files(self, record: ShardRecord) -> Iterator[FileRecord]:
        """Yield the checksum list and the files that it should name."""
        (listing,) = record.files
        yield listing
        digests = self._digests(record) if self._store.exists(listing.file) else {}
        for name in self._plan.sample_names(self._plan.shard(record.number)):
            for path in (self._path(name, field) for field in self._plan.fields):
                yield FileRecord(file=path, size=None, sha256=digests.get(path))

    def location(self, shard: Shard, name: str) -> dict[str, str]:
        """Return the file's path."""
        return {"file_name": self._path(name, "image")}

    def read(self, record: ShardRecord, row: int, name: str, field: str) -> bytes:
        """Read a file."""
        return self._store.read(self._path(name, field))


def _staged(store: LocalStore, shard: Shard, name: str) -> str:
    """Return where a file waits for its shard's commit."""
    return f"{store.root}/{WORKING_FOLDER}/part-{shard.number:06d}/{name.replace('/', '+')}"


class _StagedShard:
    def __init__(self, store: Store, shard: Shard) -> None:
        self._store, self._shard = store, shard
        self._listing = f"checksums/part-{shard.number:06d}.sha256"
        self._files: list[_PackedFile] = []
        if isinstance(store, LocalStore):
            with store.one_line_errors():
                os.makedirs(os.path.dirname(_staged(store, shard, "")), exist_ok=True)

    def append(self, packed: list[_PackedFile]) -> None:
        self._files += packed

    def _text(self) -> bytes:
        return "".join(f"{file.sha256}  {file.name}\n" for file in self._files).encode()

    def finish(self) -> tuple[FileRecord, ...]:
        """Return the checksum list, which covers all other files."""
        text = self._text()
        digest = hashlib.sha256(text).hexdigest()
        return (FileRecord(file=self._listing, size=len(text), sha256=digest),)

    def commit(self) -> None:
        if isinstance(self._store, LocalStore):
            with self._store.one_line_errors():
                self._move(self._store)
        else:
            for file in self._files:
                self._store.write(file.name, file.data)
        self._store.write(self._listing, self._text())

    def _move(self, store: LocalStore) -> None:
        for folder in {os.path.dirname(file.name) for file in self._files}:
            os.makedirs(store.root / folder, exist_ok=True)
        for file in self._files:
            os.replace(_staged(store, self._shard, file.name), store.root / file.name)
        os.rmdir(os.path.dirname(_staged(store, self._shard, "")))

    def discard(self) -> None:
        """Do nothing: the next run overwrites staged files, and a finished run clears them."""
