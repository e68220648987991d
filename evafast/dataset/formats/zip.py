"""Format ``zip``: stored archives, built from segments so that a run can stop at any point.

A shard writes one segment per archive: local headers and data, end to end. When all shards are
there, the segments are joined and the central directory is appended. Nothing is compressed again:
JPEG and PNG already are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.formats import Finished, Format, ShardFiles
from evafast.dataset.manifest import FileRecord, ShardRecord
from evafast.dataset.naming import FOLDERS, sample_path
from evafast.dataset.store import WORKING_FOLDER, creating

if TYPE_CHECKING:
    from evafast.dataset.formats import EncodedSample
    from evafast.dataset.plan import Plan, Shard
    from evafast.dataset.store import Store

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
    """Return the end records of an archive whose central directory begins at `start`."""
    end64 = b""
    if count >= _FULL16 or start >= _FULL32 or size >= _FULL32:
        end64 = _END64.pack(
            b"PK\6\6", _END64.size - 12, _VERSION64, _VERSION64, 0, 0, count, count, size, start
        ) + _END64_AT.pack(b"PK\6\7", 0, start + size, 1)
    count = min(count, _FULL16)
    return end64 + _END.pack(
        b"PK\5\6", 0, 0, count, count, min(size, _FULL32), min(start, _FULL32), 0
    )


def _walk(stream: BinaryIO, segment_size: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield ``(name, CRC, size, offset)`` of every file in the segment that begins here."""
    offset = 0
    while offset < segment_size:
        fields = _LOCAL.unpack(stream.read(_LOCAL.size))
        crc, size, name_size = fields[6], fields[7], fields[9]
        name = stream.read(name_size)
        stream.seek(size, 1)
        yield name, crc, size, offset
        offset += _LOCAL.size + name_size + size


def _archive(field: str) -> str:
    return f"{FOLDERS[field]}.zip"


def _segment(archive: str, shard: int) -> str:
    return f"{WORKING_FOLDER}/segments/{archive.removesuffix('.zip')}-{shard:06d}"


class Zip(Format):
    """``fg_bg.zip``, ``fg_bg_mask.zip`` and, with depth, ``fg_bg_depth.zip``; see `Format`."""

    def __init__(self, store: Store, plan: Plan) -> None:
        super().__init__(store, plan)
        self._places: dict[tuple[int, str], NDArray[np.int64]] = {}

    def _inner(self, name: str, field: str) -> str:
        """Return a sample's path inside its archive."""
        return sample_path(name, field, self._plan.image_suffix).partition("/")[2]

    def pack(self, shard: Shard, samples: Sequence[EncodedSample]) -> dict[str, bytes]:
        """Return the samples' records by archive."""
        return {
            _archive(field): b"".join(
                local_record(self._inner(s.name, field).encode("ascii"), getattr(s, field))
                for s in samples
            )
            for field in self._plan.fields
        }

    def create(self, shard: Shard) -> ShardFiles:
        """Start a shard's segments, recorded by their archives."""
        archives = [_archive(field) for field in self._plan.fields]
        return ShardFiles(self._store, {a: _segment(a, shard.number) for a in archives})

    def is_complete(self, record: ShardRecord) -> bool:
        """Return whether the segments are there, judged by their sizes."""
        return all(
            self._store.size(_segment(f.file, record.number)) == f.size for f in record.files
        )

    def finish(self, records: Sequence[ShardRecord]) -> Finished:
        """Join the segments into archives."""
        end = {_archive(field): 0 for field in self._plan.fields}
        placed = []
        for record in records:
            files = tuple(replace(file, offset=end[file.file]) for file in record.files)
            placed.append(replace(record, files=files))
            for file in files:
                end[file.file] += file.size or 0
        return placed, tuple(self._join(archive, placed) for archive in end)

    def _join(self, archive: str, records: Sequence[ShardRecord]) -> FileRecord:
        directory: list[bytes] = []
        with creating(self._store, archive) as file:
            for record in records:
                name = _segment(archive, record.number)
                start = file.size
                for chunk in self._store.chunks(name):
                    file.write(chunk)
                with self._store.open(name) as segment:
                    directory += (
                        central_record(inner, crc, size, start + at)
                        for inner, crc, size, at in _walk(segment, file.size - start)
                    )
            start = file.size
            tail = b"".join(directory)
            file.write(tail + end_records(len(directory), start, len(tail)))
        return FileRecord(file=archive, size=file.size, sha256=file.sha256)

    def reopen(self, records: Sequence[ShardRecord], damaged: Collection[int]) -> None:
        """Copy the segments of undamaged shards out of the archives."""
        for record in records:
            for file in record.files if record.number not in damaged else ():
                with creating(self._store, _segment(file.file, record.number)) as segment:
                    for chunk in self._store.chunks(file.file, file.offset or 0, file.size):
                        segment.write(chunk)

    def location(self, shard: Shard, name: str) -> dict[str, str]:
        """Return the path inside the archive, and the archive."""
        return {"file_name": self._inner(name, "image"), "archive": _archive("image")}

    def read(self, record: ShardRecord, row: int, name: str, field: str) -> bytes:
        """Read a member; a shard's headers are read once, on its first use."""
        archive = _archive(field)
        if (record.number, field) not in self._places:
            file = next(f for f in record.files if f.file == archive)
            begin = file.offset or 0
            with self._store.open(archive) as stream:
                stream.seek(begin)
                places = [
                    (begin + at + _LOCAL.size + len(inner), size)
                    for inner, _, size, at in _walk(stream, file.size or 0)
                ]
            self._places[record.number, field] = np.array(places, dtype=np.int64)
        start, size = self._places[record.number, field][row].tolist()
        return self._store.read_range(archive, start, size)
