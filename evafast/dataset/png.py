"""A small greyscale PNG encoder over zlib-ng, which deflates masks and depth maps fast.

OpenCV's PNG encoder took a third of a run's time on masks and more on depth (see the records of
benchmarks/bench_encoding.py). The bytes are the same on every processor since zlib-ng 2.2.

References
----------
Portable Network Graphics (PNG) Specification, third edition, W3C 2025: sections 5 (chunks),
7 (scanlines) and 9 (filtering).
"""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

DEFLATER = f"zlib-ng {zlib_ng.ZLIBNG_RUNTIME_VERSION}"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NONE, _UP = 0, 2  # filter types
_LENGTH = struct.Struct(">I")
_IDAT_CRC = zlib.crc32(b"IDAT")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + kind + data + _LENGTH.pack(zlib.crc32(kind + data))


_END = _chunk(b"IEND", b"")


def encode_gray(pixels: NDArray[np.unsignedinteger], *, smooth: bool) -> list[bytes]:
    """Encode greyscale images, (n, height, width) uint8 or uint16, as PNG, losslessly.

    `smooth` stores differences from the row above, which suits depth maps; otherwise the values
    themselves are stored, which suits masks: they are mostly flat.
    """
    count, height, width = pixels.shape
    rows = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False).view(np.uint8)
    lines = np.empty((count, height, 1 + rows.shape[2]), np.uint8)
    lines[..., 0] = _UP if smooth else _NONE
    if smooth:
        lines[:, 0, 1:] = rows[:, 0]
        np.subtract(rows[:, 1:], rows[:, :-1], out=lines[:, 1:, 1:])
    else:
        lines[..., 1:] = rows
    head = _head(width, height, 8 * pixels.dtype.itemsize)
    return [_file(head, zlib_ng.compress(image.data, 1)) for image in lines]


def _file(head: bytes, data: bytes) -> bytes:
    size, checksum = _LENGTH.pack(len(data)), _LENGTH.pack(zlib.crc32(data, _IDAT_CRC))
    return b"".join((head, size, b"IDAT", data, checksum, _END))


@cache
def _head(width: int, height: int, bits: int) -> bytes:
    grey, deflate, adaptive, whole = 0, 0, 0, 0
    header = struct.pack(">2I5B", width, height, bits, grey, deflate, adaptive, whole)
    return _SIGNATURE + _chunk(b"IHDR", header)
