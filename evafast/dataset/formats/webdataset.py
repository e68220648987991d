"""Layout ``webdataset``: tar shards that the webdataset library, wids and plain tar read.

Headers are written directly: the standard library's cost more time than encoding a mask. The
bytes depend on nothing but the samples: fixed time stamp, owner and mode.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from evafast.dataset.naming import SHARD_INDEX, shard_name

if TYPE_CHECKING:
    from evafast.dataset.sample import Encoded, Part
    from evafast.dataset.store import Store

_BLOCK = 512
_SUM = slice(148, 156)


def _template() -> bytes:
    """Return a POSIX ustar header without name, size and checksum (that field as spaces)."""
    header = bytearray(_BLOCK)
    header[100:108] = b"0000644\0"  # mode
    header[108:116] = header[116:124] = b"0000000\0"  # owner and group
    header[136:148] = b"00000000000\0"  # time of change: the epoch
    header[_SUM] = b" " * 8
    header[156:157] = b"0"  # a plain file
    header[257:265] = b"ustar\x0000"
    return bytes(header)


_TEMPLATE = _template()
_OWNER, _TIME, _REST = _TEMPLATE[100:124], _TEMPLATE[136:148], _TEMPLATE[156:]


@cache
def _after_stem(length: int, suffix: bytes) -> tuple[bytes, int]:
    """Return what follows a name's stem in its header, up to the size, and its checksum so far."""
    padding = bytes(100 - length - len(suffix))
    return b"%b%b%b" % (suffix, padding, _OWNER), sum(_TEMPLATE) + sum(suffix)


def _member(stem: bytes, stem_sum: int, suffix: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return header, data and padding of a plain file; its name is ASCII of at most 100 bytes."""
    after, known = _after_stem(len(stem), suffix)
    digits = b"%011o\0" % len(data)
    checksum = known + stem_sum + sum(digits)
    header = b"%b%b%b%b%06o\0 %b" % (stem, after, digits, _TIME, checksum, _REST)
    return header, data, bytes(-len(data) % _BLOCK)


class WebDatasetLayout:
    """One tar a part, the members of a sample side by side."""

    name = "webdataset"
    index_files: tuple[str, ...] = (SHARD_INDEX,)

    def __init__(self, store: Store, image_suffix: str) -> None:
        self._store = store
        self._image = f".{image_suffix}".encode("ascii")

    def pack(self, part: Part, encoded: Encoded) -> bytes:
        """Return the tar blocks of some samples; runs in an encoder thread."""
        pieces: list[bytes] = []
        for sample in encoded.samples:
            stem = sample.name.encode("ascii")
            stem_sum = sum(stem)
            pieces += _member(stem, stem_sum, self._image, sample.image)
            pieces += _member(stem, stem_sum, b".mask.png", sample.mask)
            if sample.depth is not None:
                pieces += _member(stem, stem_sum, b".depth.png", sample.depth)
            pieces += _member(stem, stem_sum, b".json", sample.record)
        return b"".join(pieces)

    def is_there(self, record: dict) -> bool:
        """Tell whether a shard is there, by its size."""
        piece = record["pieces"][0]
        return self._store.exists(piece["file"]) and (
            self._store.size(piece["file"]) == piece["size"]
        )

    def begin(self, part: Part) -> _Shard:
        """Begin a shard; nothing appears before its commit."""
        return _Shard(self._store, shard_name(part.number))

    def finish(self, records: list[dict]) -> dict:
        """Write the index file that wids reads.

        Without ``md5sum``, which wids does not need: a second hash would cost a twelfth of the
        whole run, and the manifest has SHA-256.
        """
        shards = [
            {
                "url": record["pieces"][0]["file"].rpartition("/")[2],
                "nsamples": record["count"],
                "filesize": record["pieces"][0]["size"],
            }
            for record in records
        ]
        index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
        self._store.write(SHARD_INDEX, json.dumps(index, indent=1).encode())
        return {}


class _Shard:
    def __init__(self, store: Store, name: str) -> None:
        self._name = name
        self._writing = store.writing(name, large=True)
        self._stream: BinaryIO = self._writing.__enter__()
        self._digest = hashlib.sha256()
        self._size = 0

    def append(self, blocks: bytes) -> None:
        """Append packed samples."""
        self._stream.write(blocks)
        self._digest.update(blocks)
        self._size += len(blocks)

    def pieces(self) -> list[dict]:
        """End the shard; return what the manifest records of it."""
        self.append(bytes(2 * _BLOCK))
        digest = self._digest.hexdigest()
        return [{"file": self._name, "size": self._size, "sha256": digest}]

    def commit(self) -> None:
        """Make the shard appear."""
        self._writing.__exit__(None, None, None)

    def discard(self) -> None:
        """Drop the shard; nothing of it stays."""
        error = GeneratorExit()
        self._writing.__exit__(GeneratorExit, error, None)
