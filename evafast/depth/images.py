"""Pictures in and out: RGB files, 16-bit depth PNGs, colour maps."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from evafast.errors import RunError, UsageError, quoted

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def read_rgb(path: Path) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3), EXIF orientation applied.

    Raises
    ------
    UsageError
        If it cannot be read as a picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        text = " ".join(str(error).split())
        raise UsageError(f"{quoted(path)}: expected a picture, got {quoted(text)}") from error


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 or uint16 (H, W), or uint8 BGR (H, W, 3), by way of a temporary name.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    done, data = cv2.imencode(".png", pixels)
    part = path.with_name(path.name + ".part")
    try:
        if not done:
            raise OSError("the PNG encoder failed")
        part.write_bytes(data.tobytes())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(
            f"{quoted(path)}: expected to write it, got {error.strerror or error}; free the disk or "
            "give another --out"
        ) from error


def coloured(nearness: np.ndarray) -> np.ndarray:
    """Return uint8 BGR (H, W, 3): bright is near (inferno, perceptually uniform).

    Parameters
    ----------
    nearness : array, float, (H, W)
        Any scale; the smallest value is drawn darkest, the largest brightest.
    """
    low, high = float(nearness.min()), float(nearness.max())
    t = (nearness - low) / (high - low) if high > low else np.zeros_like(nearness)
    return cv2.applyColorMap(np.floor(t * 255 + 0.5).astype(np.uint8), cv2.COLORMAP_INFERNO)
