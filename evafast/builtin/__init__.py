"""The built-in pack of pictures and the built-in depth network, as package data.

Everything was made by the code beside it: the pictures by ``python -m training.scenes make``, the
network by ``training/train_depth.py``. Importing this package is cheap; Numba loads only when
something is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

__all__ = ["card_text", "pack_folders", "weights_path"]

_DATA = files(__name__) / "data"


@contextmanager
def pack_folders() -> Iterator[tuple[Path, Path]]:
    """Give the folders of built-in backgrounds and cut-outs for as long as the ``with`` lasts.

    Yields
    ------
    backgrounds, foregrounds : Path
        100 sRGB JPEG pictures and 100 lossless WebP cut-outs with straight alpha.

    Examples
    --------
    >>> with pack_folders() as (backgrounds, foregrounds):
    ...     len(list(backgrounds.glob("*.jpg")))
    100
    """
    with (
        as_file(_DATA / "backgrounds") as backgrounds,
        as_file(_DATA / "foregrounds") as foregrounds,
    ):
        yield backgrounds, foregrounds


@contextmanager
def weights_path() -> Iterator[Path]:
    """Give the file of the built-in depth weights (safetensors) while the ``with`` lasts."""
    with as_file(_DATA / "compact.safetensors") as path:
        yield path


def card_text() -> str:
    """Model card of the built-in depth network: what it is, what it is not, how well it does."""
    return (_DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
