"""The built-in pack of backgrounds and foregrounds and the built-in depth network: data only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DATA = Path(__file__).parent / "data"


@contextmanager
def pack_folders() -> Iterator[tuple[Path, Path]]:
    """Give the pack's folders: 100 JPEG backgrounds, 100 lossless WebP foregrounds with alpha."""
    yield _DATA / "backgrounds", _DATA / "foregrounds"


def weights_path() -> Path:
    """Return the built-in depth network's weights (safetensors), beside MODEL_CARD.md."""
    return _DATA / "compact.safetensors"
