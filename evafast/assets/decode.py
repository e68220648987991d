"""Decode one image file, or state in a few words why it cannot be used.

The suffix is ignored. The size is checked in the header, before any pixel is decoded, so a
decompression bomb costs no memory.
"""

from __future__ import annotations

import errno
import io
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MAX_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a GiB of RGB

_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}
_SRGB = ImageCms.createProfile("sRGB")
_UNREADABLE = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "a symbolic link to itself",
    errno.ENOENT: "missing, or a broken symbolic link",
    errno.ENAMETOOLONG: "name too long",
}


class Unusable(Exception):
    """Why a file is skipped, in a few words."""


@dataclass
class Decoded:
    """An upright sRGB image of mode RGB, or RGBA (straight) if the file has transparency.

    Notes are warnings, such as ``animated: first of 3 used``.
    """

    image: Image.Image
    notes: list[str] = field(default_factory=list)


def decode(path: Path) -> Decoded:
    """Decode a file (its first frame or page), or raise `Unusable` with the reason."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Unusable("not a file")
        if status.st_size == 0:
            raise Unusable("empty file")
        with path.open("rb") as stream, Image.open(stream) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise Unusable(f"too large: {width}x{height}, more than {MAX_PIXELS:,} pixels")
            return _upright_srgb(opened)
    except Unusable:
        raise
    except Exception as error:  # decoders raise anything on corrupt data, even SyntaxError
        raise Unusable(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or a format this Pillow does not read"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: more than {MAX_PIXELS:,} pixels"
    if isinstance(error, OSError) and error.errno is not None:
        return _UNREADABLE.get(error.errno, str(error.strerror).lower())
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text.lower() else f"corrupt ({text})"


def _upright_srgb(opened: Image.Image) -> Decoded:
    opened.load()
    profile = opened.info.get("icc_profile")
    notes: list[str] = []
    image = _to_eight_bits(ImageOps.exif_transpose(opened))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    try:
        image = _apply_profile(image, mode, profile) if profile else image.convert(mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("colour profile could not be applied: colours taken as sRGB")
        image = image.convert(mode)
    frames = getattr(opened, "n_frames", 1)  # last, because counting a GIF's frames seeks in it
    if frames > 1:
        what = "animated" if opened.format in _ANIMATED else "several pages"
        notes.append(f"{what}: first of {frames} used")
    return Decoded(image, notes)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Reduce grey of more than 8 bits to 8; return every other mode unchanged."""
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.int64)
        if values.max(initial=0) > 255 or image.mode.startswith("I;16"):
            values = (np.clip(values, 0, 65535) + 128) // 257
        return Image.fromarray(values.astype(np.uint8))
    if image.mode == "F":
        raise Unusable("floating-point pixels, whose range is unknown")
    return image


def _apply_profile(image: Image.Image, mode: str, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and image.mode in ("RGB", "L", "CMYK"):  # channels of the profile itself
        colours = image
    else:
        image = image.convert(mode)
        colours = image.convert("RGB")
    converted = ImageCms.profileToProfile(colours, source, _SRGB, outputMode="RGB")
    assert converted is not None  # None only when converting in place
    if mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted
