"""Format ``webdataset``: tar shards that the webdataset library, wids and plain tar read.

Headers are written directly: the standard library takes longer to write one than a mask takes to
encode. The bytes depend on nothing but the samples: fixed time, owner and mode.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from tarfile import USTAR_FORMAT, TarInfo
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.formats import Finished, Format, ShardFiles
from evafast.dataset.manifest import FileRecord, ShardRecord

if TYPE_CHECKING:
    from evafast.dataset.formats import EncodedSample
    from evafast.dataset.plan import Plan, Shard
    from evafast.dataset.store import Store

_INDEX = "shards/index.json"
_BLOCK = 512

_HEADER = TarInfo().tobuf(USTAR_FORMAT)  # a plain file without owner or time, mode 644
_OWNER, _TIME, _REST = _HEADER[100:124], _HEADER[136:148], _HEADER[156:]
_HEADER_SUM = sum(_OWNER + _TIME + _REST) + sum(b" " * 8)  # the checksum counts as spaces


def _member(name: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return header, data and padding of a plain file; its name is ASCII of at most 100 bytes."""
    size = b"%011o\0" % len(data)
    checksum = _HEADER_SUM + sum(name) + sum(size)
    start = name.ljust(100, b"\0")
    header = b"%b%b%b%b%06o\0 %b" % (start, _OWNER, size, _TIME, checksum, _REST)
    return header, data, bytes(-len(data) % _BLOCK)


class WebDataset(Format):
    """One tar file per shard, with each sample's files in a row; see `Format`."""

    index_files = (_INDEX,)

    def __init__(self, store: Store, plan: Plan) -> None:
        super().__init__(store, plan)
        self._image = f".{plan.image_suffix}".encode("ascii")
        self._places: dict[int, NDArray[np.int64]] = {}

    def pack(self, shard: Shard, samples: Sequence[EncodedSample]) -> bytes:
        """Return the tar blocks of samples."""
        blocks: list[bytes] = []
        for sample in samples:
            stem = sample.name.encode("ascii")
            blocks += _member(stem + self._image, sample.image)
            blocks += _member(stem + b".mask.png", sample.mask)
            if sample.depth is not None:
                blocks += _member(stem + b".depth.png", sample.depth)
            blocks += _member(stem + b".json", sample.record)
        return b"".join(blocks)

    def create(self, shard: Shard) -> _Tar:
        """Start a tar file."""
        return _Tar(self._store, _tar_name(shard.number))

    def finish(self, records: Sequence[ShardRecord]) -> Finished:
        """Write the index file that wids reads.

        It has no ``md5sum``: wids does not need it, and the manifest has SHA-256.
        """
        shards = [
            {"url": tar.file.rpartition("/")[2], "nsamples": record.count, "filesize": tar.size}
            for record in records
            for tar in record.files
        ]
        index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
        self._store.write(_INDEX, json.dumps(index, indent=1).encode())
        return records, ()

    def location(self, shard: Shard, name: str) -> dict[str, str]:
        """Return the member's name and its shard."""
        file_name = f"{name}.{self._plan.image_suffix}"
        return {"file_name": file_name, "shard": _tar_name(shard.number)}

    def read(self, record: ShardRecord, row: int, name: str, field: str) -> bytes:
        """Read a member; a shard's headers are read once, on its first use."""
        (tar,) = record.files
        if record.number not in self._places:
            with self._store.open(tar.file) as stream:
                members = np.array(list(_walk(stream)), dtype=np.int64)
            self._places[record.number] = members.reshape(record.count, -1, 2)
        start, size = self._places[record.number][row, self._plan.fields.index(field)].tolist()
        return self._store.read_range(tar.file, start, size)


def _tar_name(number: int) -> str:
    return f"shards/shard-{number:06d}.tar"


def _walk(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield start and size of every member of a tar that this module wrote."""
    position = 0
    while (header := stream.read(_BLOCK)) and header[0]:
        size = int(header[124:135], 8)
        yield position + _BLOCK, size
        position += _BLOCK + size + (-size % _BLOCK)
        stream.seek(position)


class _Tar(ShardFiles):
    def __init__(self, store: Store, name: str) -> None:
        super().__init__(store, {name: name})
        self._name = name

    def append(self, blocks: bytes) -> None:
        super().append({self._name: blocks})

    def finish(self) -> tuple[FileRecord, ...]:
        self.append(bytes(2 * _BLOCK))
        return super().finish()
