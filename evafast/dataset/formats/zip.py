"""Format ``zip``: stored archives, made from segments so that a run can stop anywhere.

A shard writes one segment per archive: local headers and data, end to end. When all shards are
there the segments are joined and the central directory is appended. Nothing is compressed: JPEG
and PNG already are.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.manifest import FileRecord, ShardRecord
from evafast.dataset.naming import FOLDERS, sample_path
from evafast.dataset.plan import Plan, Shard
from evafast.dataset.store import WORKING_FOLDER, creating

if TYPE_CHECKING:
    from evafast.dataset.formats import EncodedSample
    from evafast.dataset.store import NewFile, Store

_COPY = 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_AT = struct.Struct("<4sLQL")
_EXTRA64 = struct.Struct("<2HQ")
_VERSION, _VERSION64 = 20, 45
_MIDNIGHT, _DAY = 0, (1 << 5) | 1  # 1980-01-01, the format's earliest day
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


def local_record(name: bytes, data: bytes) -> bytes:
    """Return the local header and the bytes of one stored file."""
    return b"".join((
        _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, _MIDNIGHT, _DAY, zlib.crc32(data), len(data),
                    len(data), len(name), 0),
        name, data,
    ))  # fmt: skip


def central_record(name: bytes, crc: int, size: int, offset: int) -> bytes:
    """Return the central directory's entry of a stored file at `offset`."""
    far = offset >= _FULL32
    extra = _EXTRA64.pack(1, 8, offset) if far else b""
    version = _VERSION64 if far else _VERSION
    return b"".join((
        _CENTRAL.pack(b"PK\1\2", version, version, 0, 0, _MIDNIGHT, _DAY, crc, size, size,
                      len(name), len(extra), 0, 0, 0, 0, _FULL32 if far else offset),
        name, extra,
    ))  # fmt: skip


def end_records(count: int, start: int, size: int) -> bytes:
    """Return what closes an archive whose central directory lies at `start`."""
    far = count >= _FULL16 or start >= _FULL32 or size >= _FULL32
    end64 = b""
    if far:
        end64 = _END64.pack(
            b"PK\6\6", _END64.size - 12, _VERSION64, _VERSION64, 0, 0, count, count, size, start
        ) + _END64_AT.pack(b"PK\6\7", 0, start + size, 1)
    return end64 + _END.pack(
        b"PK\5\6",
        0,
        0,
        min(count, _FULL16),
        min(count, _FULL16),
        min(size, _FULL32),
        min(start, _FULL32),
        0,
    )


def _walk(
    stream: BinaryIO, size_of_segment: int | None = None
) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield ``(name, CRC, size, offset)`` of every file in the segment that begins here."""
    offset = 0
    while size_of_segment is None or offset < size_of_segment:
        header = stream.read(_LOCAL.size)
        if not header:
            return
        fields = _LOCAL.unpack(header)
        crc, size, name_size = fields[6], fields[7], fields[9]
        name = stream.read(name_size)
        stream.seek(size, 1)
        yield name, crc, size, offset
        offset += _LOCAL.size + name_size + size


def _segment_name(archive: str, shard: int) -> str:
    return f"{WORKING_FOLDER}/segments/{archive.removesuffix('.zip')}-{shard:06d}"


class Zip:
    """``fg_bg.zip``, ``fg_bg_mask.zip`` and, with depth, ``fg_bg_depth.zip``; see `Format`."""

    index_files: tuple[str, ...] = ()

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store, self._plan = store, plan
        self._places: dict[tuple[int, str], NDArray[np.int64]] = {}

    def _inner(self, name: str, field: str) -> str:
        """Return a sample's path inside its archive."""
        return sample_path(name, field, self._plan.image_suffix).partition("/")[2]

    def pack(self, shard: Shard, samples: Sequence[EncodedSample]) -> dict[str, bytes]:
        """Return each archive's records of samples."""
        return {
            f"{FOLDERS[field]}.zip": b"".join(
                local_record(self._inner(sample.name, field).encode("ascii"),
                             getattr(sample, field))
                for sample in samples
            )
            for field in self._plan.fields
        }  # fmt: skip

    def create(self, shard: Shard) -> _Segments:
        """Start a shard's segments."""
        archives = [f"{FOLDERS[field]}.zip" for field in self._plan.fields]
        return _Segments(self._store, shard, archives)

    def is_complete(self, record: ShardRecord) -> bool:
        """Compare the segments' sizes."""
        segments = [(_segment_name(f.file, record.number), f.size) for f in record.files]
        return all(
            self._store.exists(name) and self._store.size(name) == size for name, size in segments
        )

    def finish(
        self, records: Sequence[ShardRecord]
    ) -> tuple[Sequence[ShardRecord], tuple[FileRecord, ...]]:
        """Join the segments into archives."""
        offset: dict[str, int] = {}
        placed = []
        for record in records:
            files = []
            for file in record.files:
                files.append(replace(file, offset=offset.setdefault(file.file, 0)))
                offset[file.file] += file.size or 0
            placed.append(replace(record, files=tuple(files)))
        return placed, tuple(self._join(name, placed, end) for name, end in offset.items())

    def _join(self, archive: str, records: Sequence[ShardRecord], end: int) -> FileRecord:
        directory: list[bytes] = []
        with creating(self._store, archive) as file:
            hashing = _Hashing(file)
            for record in records:
                offset = next(f.offset or 0 for f in record.files if f.file == archive)
                with self._store.open(_segment_name(archive, record.number)) as segment:
                    for name, crc, size, at in _walk(segment):
                        directory.append(central_record(name, crc, size, offset + at))
                    segment.seek(0)
                    while chunk := segment.read(_COPY):
                        hashing.write(chunk)
            tail = b"".join(directory)
            hashing.write(tail + end_records(len(directory), end, len(tail)))
        return FileRecord(file=archive, size=hashing.size, sha256=hashing.digest.hexdigest())

    def reopen(self, records: Sequence[ShardRecord], damaged: Collection[int]) -> None:
        """Copy the segments of undamaged shards out of the archives."""
        for record in records:
            for file in record.files if record.number not in damaged else ():
                at, left = file.offset or 0, file.size or 0
                with creating(self._store, _segment_name(file.file, record.number)) as segment:
                    while left > 0:
                        chunk = self._store.read_range(file.file, at, min(left, _COPY))
                        if not chunk:
                            break  # a truncated archive: the joined one will differ
                        segment.write(chunk)
                        at, left = at + len(chunk), left - len(chunk)

    def files(self, record: ShardRecord) -> Iterator[FileRecord]:
        """Yield the shard's range of each archive."""
        yield from record.files

    def location(self, shard: Shard, name: str) -> dict[str, str]:
        """Return the path inside the archive, and the archive."""
        return {"file_name": self._inner(name, "image"), "archive": f"{FOLDERS['image']}.zip"}

    def read(self, record: ShardRecord, row: int, name: str, field: str) -> bytes:
        """Read a member; a shard's headers are walked once, when it is first read."""
        archive = f"{FOLDERS[field]}.zip"
        key = record.number, archive
        if key not in self._places:
            file = next(f for f in record.files if f.file == archive)
            begin = file.offset or 0
            with self._store.open(archive) as stream:
                stream.seek(begin)
                self._places[key] = np.array(
                    [
                        (begin + at + _LOCAL.size + len(inner), size)
                        for inner, _, size, at in _walk(stream, file.size)
                    ],
                    dtype=np.int64,
                )
        start, size = self._places[key][row]
        return self._store.read_range(archive, int(start), int(size))


class _Hashing:
    """Writes through to a file, hashing and counting."""

    def __init__(self, file: NewFile) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self.size += len(data)
        self._file.write(data)


class _Segments:
    def __init__(self, store: Store, shard: Shard, archives: Sequence[str]) -> None:
        self._segments = {
            archive: store.create(_segment_name(archive, shard.number)) for archive in archives
        }
        self._hashing = {name: _Hashing(file) for name, file in self._segments.items()}

    def append(self, packed: dict[str, bytes]) -> None:
        for archive, data in packed.items():
            self._hashing[archive].write(data)

    def finish(self) -> tuple[FileRecord, ...]:
        return tuple(
            FileRecord(file=name, size=h.size, sha256=h.digest.hexdigest())
            for name, h in self._hashing.items()
        )

    def commit(self) -> None:
        for segment in self._segments.values():
            segment.commit()

    def discard(self) -> None:
        for segment in self._segments.values():
            segment.discard()
