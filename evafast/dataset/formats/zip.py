"""Layout ``zip``: three stored archives, made of segments so that a run can stop anywhere.

A part writes one segment an archive: local headers and data, end to end. When all parts are
there the segments are joined and the central directory is appended. Nothing is compressed: JPEG
and PNG already are.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from evafast.dataset.formats.folder import sample_files
from evafast.dataset.store import WORKING_FOLDER

if TYPE_CHECKING:
    from evafast.dataset.sample import Encoded, Part
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


def walk_segment(stream: BinaryIO) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield ``(name, CRC, size, offset)`` of every file in a segment."""
    offset = 0
    while header := stream.read(_LOCAL.size):
        fields = _LOCAL.unpack(header)
        crc, size, name_size = fields[6], fields[7], fields[9]
        name = stream.read(name_size)
        stream.seek(size, 1)
        yield name, crc, size, offset
        offset += _LOCAL.size + name_size + size


def _segment_name(archive: str, part: int) -> str:
    return f"{WORKING_FOLDER}/segments/{archive}-{part:06d}"


class ZipLayout:
    """``fg_bg.zip``, ``fg_bg_mask.zip`` and, with depth, ``fg_bg_depth.zip``."""

    name = "zip"
    index_files: tuple[str, ...] = ()

    def __init__(self, store: Store, image_suffix: str) -> None:
        self._store = store
        self._suffix = image_suffix

    def pack(self, part: Part, encoded: Encoded) -> dict[str, bytes]:
        """Return each archive's bytes of some samples; runs in an encoder thread."""
        pieces: dict[str, list[bytes]] = {}
        for sample in encoded.samples:
            for folder, inner, data in sample_files(sample, self._suffix):
                pieces.setdefault(folder, []).append(local_record(inner.encode("ascii"), data))
        return {folder: b"".join(records) for folder, records in pieces.items()}

    def is_there(self, record: dict) -> bool:
        """Tell whether a part's segments are there, by their sizes."""
        segments = [
            (_segment_name(piece["file"].removesuffix(".zip"), record["part"]), piece["size"])
            for piece in record["pieces"]
        ]
        return all(self._store.exists(n) and self._store.size(n) == s for n, s in segments)

    def begin(self, part: Part) -> _Segments:
        """Begin a part's segments."""
        return _Segments(self._store, part)

    def finish(self, records: list[dict]) -> dict:
        """Join the segments into archives; return each archive's size and SHA-256."""
        archives = {}
        folders = [piece["file"].removesuffix(".zip") for piece in records[0]["pieces"]]
        for folder in folders:
            archives[f"{folder}.zip"] = self._join(folder, records)
        return {"archives": archives}

    def rejoin(self, records: list[dict], again: list[int]) -> None:
        """Join the archives anew: parts in `again` from new segments, the others as they lie."""
        for piece_number, piece in enumerate(records[0]["pieces"]):
            folder = piece["file"].removesuffix(".zip")
            for record in records:
                if record["part"] not in again:
                    old = record["pieces"][piece_number]
                    with (
                        self._store.open(piece["file"]) as archive,
                        self._store.writing(_segment_name(folder, record["part"])) as segment,
                    ):
                        archive.seek(old["offset"])
                        copy_stretch(archive, segment, old["size"])
            self._join(folder, records)

    def _join(self, folder: str, records: list[dict]) -> dict:
        directory: list[bytes] = []
        offset = 0
        with self._store.writing(f"{folder}.zip", large=True) as plain:
            archive = _Hashing(plain)
            for record in records:
                piece = next(p for p in record["pieces"] if p["file"] == f"{folder}.zip")
                segment = _segment_name(folder, record["part"])
                with self._store.open(segment) as stream:
                    directory += [
                        central_record(name, crc, size, offset + at)
                        for name, crc, size, at in walk_segment(stream)
                    ]
                with self._store.open(segment) as stream:
                    shutil.copyfileobj(stream, archive, 1 << 20)
                piece["offset"] = offset
                offset += piece["size"]
            size = sum(map(len, directory))
            archive.write(b"".join(directory))
            archive.write(end_records(len(directory), offset, size))
        return {"size": archive.size, "sha256": archive.digest.hexdigest()}


def copy_stretch(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy the next `size` bytes."""
    while size > 0 and (chunk := source.read(min(size, 1 << 20))):
        target.write(chunk)
        size -= len(chunk)


class _Hashing:
    """A stream that hashes and counts what is written through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._stream.write(data)


class _Segments:
    def __init__(self, store: Store, part: Part) -> None:
        self._store = store
        self._part = part
        self._stack = ExitStack()
        self._streams: dict[str, _Hashing] = {}

    def append(self, pieces: dict[str, bytes]) -> None:
        """Append packed samples to each archive's segment."""
        for folder, data in pieces.items():
            if folder not in self._streams:
                writing = self._store.writing(_segment_name(folder, self._part.number), large=True)
                self._streams[folder] = _Hashing(self._stack.enter_context(writing))
            self._streams[folder].write(data)

    def commit(self) -> None:
        """Make the segments appear."""
        self._stack.close()

    def pieces(self) -> list[dict]:
        """Return what the manifest records of the segments."""
        return [
            {"file": f"{folder}.zip", "size": s.size, "sha256": s.digest.hexdigest()}
            for folder, s in self._streams.items()
        ]

    def discard(self) -> None:
        """Drop the segments; nothing of them stays."""
        error = GeneratorExit()
        self._stack.__exit__(GeneratorExit, error, None)
