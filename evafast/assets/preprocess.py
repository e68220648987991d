"""Preprocess decoded images into the pixels that are composited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evafast.assets.decode import Decoded, Unusable
from evafast.errors import UsageError, check_range

MIN_BACKGROUND_SIDE = 16  # pixels; smaller backgrounds are skipped
MIN_VISIBLE_BACKGROUND = 0.02  # share of pixels; others are skipped


@dataclass(frozen=True, kw_only=True)
class AssetConfig:
    """How input images are preprocessed.

    Attributes
    ----------
    canvas : int
        Side of the composites in pixels; backgrounds are resized to it.
    foreground_size : int
        Foregrounds are shrunk to fit a square with this side in pixels, never enlarged.
    min_foreground : tuple of int
        Skip foregrounds narrower or shorter than WIDTHxHEIGHT pixels after shrinking.
    strict : bool
        Fail if any file has to be skipped.
    """

    canvas: int = 224
    foreground_size: int = 150
    min_foreground: tuple[int, int] = (40, 50)
    strict: bool = False

    def __post_init__(self) -> None:
        check_range("canvas", self.canvas, 1, 16384)
        if not 1 <= self.foreground_size <= self.canvas:
            raise UsageError(
                f"foreground size: expected 1 to {self.canvas} px (the canvas), got "
                f"{self.foreground_size}; lower it or raise the canvas"
            )
        width, height = self.min_foreground
        if min(width, height) < 1 or max(width, height) > self.foreground_size:
            raise UsageError(
                f"min foreground: expected 1 to {self.foreground_size} px (the foreground size) "
                f"per side, got {width}x{height}; lower it"
            )

    @classmethod
    def from_preprocessing(cls, settings: Mapping[str, Any]) -> AssetConfig:
        """Return the config that has these `preprocessing` settings."""
        return cls(**{**settings, "min_foreground": tuple(settings["min_foreground"])})

    def preprocessing(self) -> dict[str, Any]:
        """Return the settings that determine pixels, as JSON values for the manifest."""
        settings = {**asdict(self), "min_foreground": list(self.min_foreground)}
        del settings["strict"]
        return settings


def prepare_background(decoded: Decoded, config: AssetConfig) -> NDArray[np.uint8]:
    """Return a background as (canvas, canvas, 3) RGB, or raise `Unusable`.

    Transparency is flattened onto white; the aspect ratio is not kept.
    """
    image = decoded.image
    if min(image.size) < MIN_BACKGROUND_SIDE:
        raise Unusable(f"too small: {image.width}x{image.height}")
    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        visible = np.count_nonzero(alpha) / alpha.size
        if visible < MIN_VISIBLE_BACKGROUND:
            raise Unusable(f"transparent: only {visible:.2%} is visible")
        if alpha.min() < 255:
            decoded.notes.append("transparent: flattened onto white")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, (0, 0), image)
        image = flat
    return np.asarray(image.resize((config.canvas, config.canvas), Image.Resampling.BICUBIC))


def prepare_foreground(decoded: Decoded, config: AssetConfig) -> NDArray[np.uint8]:
    """Return a foreground as (height, width, 4) RGBA, or raise `Unusable`.

    It is cropped to its visible box, then shrunk to fit.
    """
    image = decoded.image
    low, high = image.getchannel("A").getextrema() if image.mode == "RGBA" else (255, 255)
    if low == 255:
        raise Unusable("no transparency: a cut-out needs an alpha channel")
    if high == 0:
        raise Unusable("empty cut-out: fully transparent")
    image = image.crop(image.getchannel("A").getbbox())
    image.thumbnail((config.foreground_size,) * 2, Image.Resampling.LANCZOS)
    width, height = config.min_foreground
    if image.width < width or image.height < height:
        raise Unusable(
            f"too small: {image.width}x{image.height} after shrinking, expected {width}x{height}"
        )
    return np.asarray(image)
