"""Encoders: the one evafast writes with and other ways to the same kind of file.

Each is a function from pixels (RGB, matte or depth codes as C-contiguous arrays) to bytes. Plain
PNG writers over fast deflate libraries are here because they bound what a PNG can cost.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evafast.dataset.codec import Codec

Encoder = Callable[[NDArray], bytes]
OURS = "evafast"


def _opencv(suffix: str, *options: int) -> Encoder:
    return lambda pixels: cv2.imencode(suffix, pixels, list(options))[1].tobytes()


def _opencv_rgb(suffix: str, *options: int) -> Encoder:
    inner = _opencv(suffix, *options)
    return lambda pixels: inner(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


def _pillow(kind: str, **options: Any) -> Encoder:
    def encode(pixels: NDArray) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        return stream.getvalue()

    return encode


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: NDArray, deflate: Callable[[bytes], bytes], *, up: bool) -> bytes:
    """Return a grey PNG with unfiltered rows, or each row as its difference to the one above.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (height, width)
    deflate : callable
        Bytes to a zlib stream.
    up : bool
        Filter rows by *Up*.
    """
    height, width = pixels.shape
    bytes_ = pixels.astype(">u2").view(np.uint8) if pixels.itemsize == 2 else pixels
    rows = np.empty((height, bytes_.shape[1] + 1), np.uint8)
    rows[:, 0] = 2 if up else 0
    rows[:, 1:] = bytes_
    if up:
        rows[1:, 1:] -= bytes_[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, 0, 0, 0, 0)
    return b"".join((
        b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", deflate(rows.tobytes())),
        _chunk(b"IEND", b""),
    ))  # fmt: skip


def _ours(encode: Callable[[NDArray], list[bytes]]) -> Callable[[], Encoder]:
    return lambda: lambda pixels: encode(pixels[None])[0]


def _by(library: str, encode: Callable[[Any, NDArray], bytes]) -> Callable[[], Encoder]:
    """Return a factory whose encoder gets the library, imported by the factory, and the pixels."""

    def make() -> Encoder:
        module = import_module(library)
        return lambda pixels: encode(module, pixels)

    return make


_CODEC = Codec()
_LEVEL1 = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_RLE = (
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE,
)  # fmt: skip
_DEPTH: dict[str, Callable[[], Encoder]] = {
    OURS: _ours(_CODEC.encode_depths),
    "OpenCV, default": lambda: _opencv(".png"),
    "OpenCV, level 1": lambda: _opencv(".png", *_LEVEL1),
    "Pillow, level 6": lambda: _pillow("PNG", compress_level=6),
    "PNG, Up, over libdeflate 1": _by("imagecodecs", lambda library, pixels: png(
        pixels, lambda raw: library.deflate_encode(raw, level=1), up=True)),
}  # fmt: skip

ENCODERS: dict[str, dict[str, Callable[[], Encoder]]] = {
    "jpeg": {
        OURS: _ours(_CODEC.encode_images),
        "OpenCV": lambda: _opencv_rgb(".jpg", cv2.IMWRITE_JPEG_QUALITY, 90),
        "simplejpeg": _by("simplejpeg", lambda library, pixels: library.encode_jpeg(
            pixels, 90, "RGB", "420")),
        "imagecodecs": _by("imagecodecs", lambda library, pixels: library.jpeg8_encode(
            pixels, level=90, subsampling="420")),
        "Pillow": lambda: _pillow("JPEG", quality=90),
    },
    "matte": {
        OURS: _ours(_CODEC.encode_masks),
        "OpenCV, default": lambda: _opencv(".png"),
        "OpenCV, level 1": lambda: _opencv(".png", *_LEVEL1),
        "OpenCV, level 1, run lengths, no filter": lambda: _opencv(".png", *_LEVEL1, *_RLE),
        "Pillow, level 6": lambda: _pillow("PNG", compress_level=6),
        "Pillow, level 1": lambda: _pillow("PNG", compress_level=1),
        "PNG over zlib-ng, level 1": _by("zlib_ng.zlib_ng", lambda library, pixels: png(
            pixels, lambda raw: library.compress(raw, 1), up=False)),
        "PNG over ISA-L, level 0": _by("isal.isal_zlib", lambda library, pixels: png(
            pixels, lambda raw: library.compress(raw, 0), up=False)),
    },
    "depth8": _DEPTH,
    "depth16": {
        **_DEPTH,
        "JPEG XL, effort 1": _by("imagecodecs", lambda library, pixels: library.jpegxl_encode(
            pixels, lossless=True, effort=1, numthreads=1)),
    },
}  # fmt: skip
"""By kind of file, then by name: the encoder's factory; ImportError where a library is missing."""


def decoded(data: bytes) -> NDArray | None:
    """Return the pixels of an encoded image, RGB or grey; None if OpenCV cannot read the format."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def psnr(pixels: NDArray, other: NDArray) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.square(pixels.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
