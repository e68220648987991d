"""What a dataset is: manifest, names, formats and readers. `open_dataset` reads one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evafast.dataset.reader import open_dataset

__all__ = ["open_dataset"]


def __getattr__(name: str) -> Any:
    """Import the reader, and torch with it, on first use."""
    if name != "open_dataset":
        raise AttributeError(f"module 'evafast.dataset' has no attribute {name!r}")
    from evafast.dataset.reader import open_dataset

    return open_dataset
