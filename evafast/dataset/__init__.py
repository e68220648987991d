"""Storage: batches to disk and back, in three layouts, atomically, with the manifest last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evafast.dataset.reader import open_dataset

__all__ = ["open_dataset"]


def __getattr__(name: str) -> Any:
    """Load the reader, and torch with it, when it is first asked for."""
    if name == "open_dataset":
        from evafast.dataset.reader import open_dataset

        return open_dataset
    raise AttributeError(f"module 'evafast.dataset' has no attribute {name!r}")
