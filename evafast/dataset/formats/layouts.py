"""The layouts by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from evafast.dataset.formats.folder import FolderLayout
from evafast.dataset.formats.webdataset import WebDatasetLayout
from evafast.dataset.formats.zip import ZipLayout

if TYPE_CHECKING:
    from evafast.dataset.sample import Encoded, Part
    from evafast.dataset.store import Store


class PartWriter(Protocol):
    """A part under way; appears as a whole at its commit, or not at all."""

    def append(self, packed: Any) -> None:
        """Take what `Layout.pack` made; in order, in one thread."""

    def pieces(self) -> list[dict]:
        """End the part; return its pieces: file, size and SHA-256. Nothing appears yet."""

    def commit(self) -> None:
        """Make the part appear, after `pieces`."""

    def discard(self) -> None:
        """Drop the part; nothing of it stays under its name."""


class Layout(Protocol):
    """How samples lie on disk."""

    name: str
    index_files: tuple[str, ...]
    """Files that `finish` writes beside the parts."""

    def __init__(self, store: Store, image_suffix: str) -> None:
        """Write to a store; composites end in this suffix."""

    def pack(self, part: Part, encoded: Encoded) -> Any:
        """Make some samples ready for appending; runs in encoder threads."""

    def is_there(self, record: dict) -> bool:
        """Tell whether the files of a recorded part are where the record says, by their sizes."""

    def begin(self, part: Part) -> PartWriter:
        """Begin a part, before any of its samples are packed."""

    def finish(self, records: list[dict]) -> dict:
        """Write what is left when every part is there; return what the manifest shall hold."""


LAYOUTS: dict[str, type[Layout]] = {
    "webdataset": WebDatasetLayout,
    "folder": FolderLayout,
    "zip": ZipLayout,
}
