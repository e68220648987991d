"""The built-in pack of backgrounds and foregrounds and the built-in depth network: data only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["pack_folders", "weights_path"]

_DATA = Path(__file__).parent / "data"


@contextmanager
def pack_folders() -> Iterator[tuple[Path, Path]]:
    """Give the folders of the built-in pack.

    Yields
    ------
    backgrounds, foregrounds : Path
        100 sRGB JPEG backgrounds and 100 lossless WebP foregrounds with straight alpha.

    Examples
    --------
    >>> with pack_folders() as (backgrounds, foregrounds):
    ...     len(list(backgrounds.glob("*.jpg")))
    100
    """
    yield _DATA / "backgrounds", _DATA / "foregrounds"


def weights_path() -> Path:
    """Return the built-in depth network's weights (safetensors), beside MODEL_CARD.md."""
    return _DATA / "compact.safetensors"
