"""Layout ``folder``: plain files, a folder of samples for every background.

Files of a part are staged, then renamed one by one, then recorded with their checksums in a list
that ``sha256sum -c`` reads.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from evafast.storage.naming import (
    DEPTH_FOLDER,
    IMAGE_FOLDER,
    MASK_FOLDER,
    checksum_name,
)
from evafast.storage.store import WORKING_FOLDER, LocalStore

if TYPE_CHECKING:
    from evafast.storage.sample import Encoded, EncodedSample, Part
    from evafast.storage.store import Store


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

    def __init__(self, store: Store, image_suffix: str) -> None:
        self._store = store
        self._suffix = image_suffix

    def pack(self, part: Part, encoded: Encoded) -> list[tuple[str, str]]:
        """Stage the files of some samples, in an encoder thread; return ``(name, SHA-256)``."""
        listed = []
        for sample in encoded.samples:
            for folder, inner, data in sample_files(sample, self._suffix):
                name = f"{folder}/{inner}"
                if isinstance(self._store, LocalStore):
                    self._stage(part, name, data)
                else:
                    self._store.write(name, data)
                listed.append((name, hashlib.sha256(data).hexdigest()))
        return listed

    def _stage(self, part: Part, name: str, data: bytes) -> None:
        assert isinstance(self._store, LocalStore)
        path = staging_path(self._store, part, name)
        with self._store.failing_in_one_line(), open(path, "wb") as stream:
            stream.write(data)

    def begin(self, part: Part) -> _StagedPart:
        """Begin a part; its files appear at its commit."""
        return _StagedPart(self._store, part)

    def finish(self, records: list[dict]) -> dict:
        """Add nothing: every file is in its place."""
        return {}


def staging_path(store: LocalStore, part: Part, name: str) -> str:
    """Return where a file of a part waits for the part's commit."""
    return f"{store.root}/{WORKING_FOLDER}/part-{part.number:06d}/{name.replace('/', '+')}"


class _StagedPart:
    def __init__(self, store: Store, part: Part) -> None:
        self._store = store
        self._part = part
        self._listed: list[tuple[str, str]] = []
        self._made: set[str] = set()
        if isinstance(store, LocalStore):
            os.makedirs(os.path.dirname(staging_path(store, part, "x")), exist_ok=True)

    def append(self, listed: list[tuple[str, str]]) -> None:
        """Take note of staged files."""
        self._listed += listed

    def commit(self) -> list[dict]:
        """Move the files to their places and write their checksum list."""
        if isinstance(self._store, LocalStore):
            with self._store.failing_in_one_line():
                self._move(self._store)
        text = "".join(f"{digest}  {name}\n" for name, digest in self._listed).encode()
        name = checksum_name(self._part.number)
        self._store.write(name, text)
        digest = hashlib.sha256(text).hexdigest()
        return [{"file": name, "size": len(text), "sha256": digest}]

    def _move(self, store: LocalStore) -> None:
        os.sync()  # contents first, names after: a power cut leaves no empty file under a name
        for name, _ in self._listed:
            target = store.path(name)
            if (folder := str(target.parent)) not in self._made:
                os.makedirs(folder, exist_ok=True)
                self._made.add(folder)
            os.replace(staging_path(store, self._part, name), target)
        os.rmdir(os.path.dirname(staging_path(store, self._part, "x")))

    def discard(self) -> None:
        """Leave what is staged: the next run writes over it, and the finished one clears it."""
