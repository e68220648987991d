"""Codec: encode pixels as JPEG or PNG and decode them, with libraries that release the GIL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evafast.dataset.png import DEFLATER, encode_gray
from evafast.errors import RunError, check_choice, check_range

IMAGE_FORMATS = {"jpeg": "jpg", "png": "png"}
"""Formats of the composites and their file suffixes."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How samples are encoded.

    Parameters
    ----------
    image_format : {'jpeg', 'png'}
        PNG is lossless.
    quality : int
        JPEG quality, 1..100.
    """

    image_format: str = "jpeg"
    quality: int = 90

    def __post_init__(self) -> None:
        check_choice("image format", self.image_format, IMAGE_FORMATS)
        check_range("quality", self.quality, 1, 100)

    @property
    def encoder(self) -> str:
        """Libraries and versions that determine the bytes; other versions may write other bytes."""
        return f"opencv {cv2.__version__}, {DEFLATER}"

    def encode_images(self, images: NDArray[np.uint8]) -> list[bytes]:
        """Encode composites, (n, height, width, 3) uint8 RGB; pass few enough to fit the cache."""
        # Stacked as one tall image, so that one call swaps the channels of all.
        tall = images.reshape(-1, *images.shape[2:])
        bgr = cv2.cvtColor(tall, cv2.COLOR_RGB2BGR).reshape(images.shape)
        if self.image_format == "png":
            return [_encoded(".png", i, [cv2.IMWRITE_PNG_COMPRESSION, 1]) for i in bgr]
        return [_encoded(".jpg", i, [cv2.IMWRITE_JPEG_QUALITY, self.quality]) for i in bgr]

    def encode_masks(self, masks: NDArray[np.uint8]) -> list[bytes]:
        """Encode masks, (n, height, width) uint8, losslessly."""
        return encode_gray(masks, smooth=False)

    def encode_depths(self, codes: NDArray[np.unsignedinteger]) -> list[bytes]:
        """Encode depth codes, (n, height, width) uint8 or uint16, losslessly."""
        return encode_gray(codes, smooth=True)


def encode_asset(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a preprocessed asset, RGB or RGBA uint8, as PNG, keeping the colours under alpha 0."""
    swap = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return _encoded(".png", cv2.cvtColor(pixels, swap), [])


def decode_image(data: bytes, name: str) -> NDArray[Any]:
    """Decode JPEG or PNG bytes that this package wrote; RunError, with `name`, if damaged.

    Return (height, width) uint8 or uint16, or (height, width, 3 or 4) uint8 in RGB(A) order.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if pixels is None:
        raise RunError(f"{name}: expected a JPEG or PNG, got {len(data)} bytes that do not decode")
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _encoded(suffix: str, pixels: NDArray[Any], options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:
        raise RunError(f"encoder: cannot encode {pixels.shape} {pixels.dtype} as {suffix}")
    return data.tobytes()
