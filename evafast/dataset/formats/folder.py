"""Layout ``folder``: plain files, a folder of samples for every background.

Files of a part are staged, then renamed one by one, then recorded with their checksums in a list
that ``sha256sum -c`` reads.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from evafast.dataset.naming import (
    DEPTH_FOLDER,
    IMAGE_FOLDER,
    MASK_FOLDER,
    checksum_name,
)
from evafast.dataset.store import WORKING_FOLDER, LocalStore

_File = tuple[str, str, bytes]  # name, SHA-256, and the bytes where they are not staged

if TYPE_CHECKING:
    from evafast.dataset.sample import Encoded, EncodedSample, Part
    from evafast.dataset.store import Store


def sample_files(sample: EncodedSample, image_suffix: str) -> list[tuple[str, str, bytes]]:
    """Return ``(folder, path below it, bytes)`` of each file of a sample, as zip has them too."""
    inner = f"{sample.name.partition('_')[0]}/{sample.name}"
    files = [
        (IMAGE_FOLDER, f"{inner}.{image_suffix}", sample.image),
        (MASK_FOLDER, f"{inner}.png", sample.mask),
    ]
    if sample.depth is not None:
        files.append((DEPTH_FOLDER, f"{inner}.png", sample.depth))
    return files


class FolderLayout:
    """Image, mask and depth in three parallel trees."""

    name = "folder"
    index_files: tuple[str, ...] = ()

    def __init__(self, store: Store, image_suffix: str) -> None:
        self._store = store
        self._suffix = image_suffix

    def pack(self, part: Part, encoded: Encoded) -> list[_File]:
        """Stage the files of some samples, in an encoder thread; remotely, keep them in memory."""
        packed = []
        for sample in encoded.samples:
            for folder, inner, data in sample_files(sample, self._suffix):
                name = f"{folder}/{inner}"
                digest = hashlib.sha256(data).hexdigest()
                if isinstance(self._store, LocalStore):
                    self._stage(part, name, data)
                    data = b""
                packed.append((name, digest, data))
        return packed

    def _stage(self, part: Part, name: str, data: bytes) -> None:
        assert isinstance(self._store, LocalStore)
        path = staging_path(self._store, part, name)
        with self._store.failing_in_one_line(), open(path, "wb") as stream:
            stream.write(data)

    def is_there(self, record: dict) -> bool:
        """Tell whether a part's list and every file on it are there, none of them empty."""
        listing = record["pieces"][0]
        if not self._holds(listing["file"]) or self._store.size(listing["file"]) != listing["size"]:
            return False
        lines = self._store.read(listing["file"]).decode().splitlines()
        return all(self._holds(line.partition("  ")[2]) for line in lines)

    def _holds(self, name: str) -> bool:
        return self._store.exists(name) and self._store.size(name) > 0

    def begin(self, part: Part) -> _StagedPart:
        """Begin a part; its files appear at its commit."""
        return _StagedPart(self._store, part)

    def finish(self, records: list[dict]) -> dict:
        """Flush the file system once; every file is in its place.

        Flushing each part would wait for whatever else the machine writes. What a power cut
        leaves empty before this is seen by `is_there`, and made again.
        """
        if isinstance(self._store, LocalStore):
            os.sync()
        return {}


def staging_path(store: LocalStore, part: Part, name: str) -> str:
    """Return where a file of a part waits for the part's commit."""
    return f"{store.root}/{WORKING_FOLDER}/part-{part.number:06d}/{name.replace('/', '+')}"


class _StagedPart:
    def __init__(self, store: Store, part: Part) -> None:
        self._store = store
        self._part = part
        self._files: list[_File] = []
        if isinstance(store, LocalStore):
            os.makedirs(os.path.dirname(staging_path(store, part, "x")), exist_ok=True)

    def append(self, packed: list[_File]) -> None:
        """Take note of packed files."""
        self._files += packed

    def pieces(self) -> list[dict]:
        """Return what the manifest records: the checksum list, which has all the rest."""
        text = self._listing()
        digest = hashlib.sha256(text).hexdigest()
        return [{"file": checksum_name(self._part.number), "size": len(text), "sha256": digest}]

    def commit(self) -> None:
        """Move the files to their places, then write their checksum list."""
        if isinstance(self._store, LocalStore):
            with self._store.failing_in_one_line():
                self._move(self._store)
        else:
            for name, _, data in self._files:
                self._store.write(name, data)
        self._store.write(checksum_name(self._part.number), self._listing())

    def _listing(self) -> bytes:
        return "".join(f"{digest}  {name}\n" for name, digest, _ in self._files).encode()

    def _move(self, store: LocalStore) -> None:
        made: set[str] = set()
        for name, _, _ in self._files:
            target = store.path(name)
            if (folder := str(target.parent)) not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            os.replace(staging_path(store, self._part, name), target)
        os.rmdir(os.path.dirname(staging_path(store, self._part, "x")))

    def discard(self) -> None:
        """Leave what is staged: the next run writes over it, and the finished one clears it."""
