"""RGB images in; 16-bit depth PNGs and the project's depth colour map out."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from evafast.errors import RunError, quoted, refusal


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return an image file as uint8 (H, W, 3), upright by its EXIF orientation."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        text = quoted(" ".join(str(error).split()))
        raise refusal(quoted(path), "an image", text, "omit or replace it") from error


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write uint8 or uint16 (H, W), or uint8 RGB (H, W, 3), under a temporary name first."""
    for_opencv = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(cv2.imencode(".png", for_opencv)[1].tobytes())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(
            f"{quoted(path)}: expected to write it, got {error.strerror or error}; free disk space "
            "or choose another --out"
        ) from error


def colorize_depth(depth: NDArray[np.floating], kind: str = "relative") -> NDArray[np.uint8]:
    """Return float depth (H, W) as uint8 RGB (H, W, 3): near is bright, far is dark (inferno).

    The map's own range becomes the whole colour map. ``kind`` is `DepthEstimator.kind`: larger is
    nearer in inverse depth only.
    """
    nearness = depth if kind == "inverse" else -depth
    low, high = float(nearness.min()), float(nearness.max())
    t = (nearness - low) / (high - low) if high > low else np.zeros_like(nearness)
    bgr = cv2.applyColorMap(np.floor(t * 255 + 0.5).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(bgr[..., ::-1])
