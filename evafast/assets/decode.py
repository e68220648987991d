"""Decode one picture file, or say in a few words why it cannot be used.

Nothing is trusted: a suffix, a header's size, an orientation flag. The size is judged from the
header, before any pixel is decoded, so that a decompression bomb never gets its gigabytes.
"""

from __future__ import annotations

import errno
import io
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MAX_PIXELS = 89_478_485
"""Largest picture decoded: Pillow's own bound, a quarter of a GiB of RGB."""

_SRGB = ImageCms.createProfile("sRGB")
_UNREADABLE = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "a symbolic link that leads to itself",
    errno.ENOENT: "gone, or a symbolic link to nothing",
    errno.ENAMETOOLONG: "name too long",
}


class Unusable(Exception):
    """Why a file is left out, in a few words."""


@dataclass
class Decoded:
    """A decoded picture, upright, 8 bits a channel, in sRGB as far as the file tells.

    Attributes
    ----------
    image : PIL.Image.Image
        Mode RGB, or RGBA where the file has transparency (straight alpha).
    notes : list of str
        What a careful person would want to know, such as "animated: first frame taken".
    """

    image: Image.Image
    notes: list[str] = field(default_factory=list)


def decode(path: Path) -> Decoded:
    """Decode a file.

    Raises
    ------
    Unusable
        When the file is not a picture that can be used; the text is the reason.
    """
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
    except UnidentifiedImageError:
        raise Unusable("not an image, or a format this Pillow does not read") from None
    except Image.DecompressionBombError:
        raise Unusable(f"too large: more than {MAX_PIXELS:,} pixels") from None
    except OSError as error:
        if error.errno is not None:
            raise Unusable(_UNREADABLE.get(error.errno, str(error.strerror).lower())) from None
        raise Unusable(_damage(error)) from None
    except Exception as error:  # decoders raise anything on damaged data, SyntaxError included
        raise Unusable(_damage(error)) from None


def _damage(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text.lower() else f"corrupt ({text})"


def _upright_srgb(opened: Image.Image) -> Decoded:
    opened.load()
    profile = opened.info.get("icc_profile")
    notes: list[str] = []
    image = _to_srgb(_to_eight_bits(ImageOps.exif_transpose(opened)), profile, notes)
    frames = getattr(opened, "n_frames", 1)  # asked last: counting a GIF's frames moves it on
    if frames > 1:
        what = "animated" if opened.format in _ANIMATED else "several pages"
        notes.append(f"{what}: first of {frames} taken")
    return Decoded(image, notes)


_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Reduce 16-bit and floating grey to 8 bits; leave every other mode as it is."""
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.int64)
        if values.max(initial=0) > 255 or image.mode.startswith("I;16"):
            values = (np.clip(values, 0, 65535) + 128) // 257
        return Image.fromarray(values.astype(np.uint8))
    if image.mode == "F":
        raise Unusable("floating-point pixels, whose range is unknown")
    return image


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    transparent = image.has_transparency_data
    if not profile:
        return image.convert("RGBA" if transparent else "RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if not transparent and image.mode in ("RGB", "L", "CMYK"):
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            return converted if converted is not None else image
        straight = image.convert("RGBA")
        converted = ImageCms.profileToProfile(straight.convert("RGB"), source, _SRGB)
        if converted is None:
            return straight
        converted.putalpha(straight.getchannel("A"))
        return converted
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("colour profile could not be applied: colours taken as sRGB")
        return image.convert("RGBA" if transparent else "RGB")
