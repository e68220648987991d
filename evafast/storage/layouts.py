"""The layouts by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from evafast.storage.folder import FolderLayout
from evafast.storage.webdataset import WebDatasetLayout
from evafast.storage.zip import ZipLayout

if TYPE_CHECKING:
    from evafast.storage.sample import Encoded, Part
    from evafast.storage.store import Store


class PartWriter(Protocol):
    """A part under way; appears as a whole at its commit, or not at all."""

    def append(self, packed: Any) -> None: ...
    def commit(self) -> list[dict]: ...
    def discard(self) -> None: ...


class Layout(Protocol):
    """How samples lie on disk."""

    name: str

    def __init__(self, store: Store, image_suffix: str) -> None: ...
    def pack(self, part: Part, encoded: Encoded) -> Any: ...
    def begin(self, part: Part) -> PartWriter: ...
    def finish(self, records: list[dict]) -> dict: ...


LAYOUTS: dict[str, type[Layout]] = {
    "webdataset": WebDatasetLayout,
    "folder": FolderLayout,
    "zip": ZipLayout,
}
