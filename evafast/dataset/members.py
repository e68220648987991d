"""Members: where each file of each sample lies, in any layout, found a part at a time.

Tar and zip are walked once a part, when the part is first touched; opening a data set of a million
samples costs no more than opening one of ten.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.codec import IMAGE_FORMATS
from evafast.dataset.formats.zip import walk_segment
from evafast.dataset.naming import DEPTH_FOLDER, IMAGE_FOLDER, MASK_FOLDER, shard_name
from evafast.errors import RunError

if TYPE_CHECKING:
    from evafast.dataset.sample import Part
    from evafast.dataset.store import Store

FOLDERS = {"image": IMAGE_FOLDER, "mask": MASK_FOLDER, "depth": DEPTH_FOLDER}
_BLOCK = 512


def fields_of(manifest: dict) -> tuple[str, ...]:
    """Return the files that every sample has: image, mask and, with depth, depth."""
    return ("image", "mask", "depth") if manifest["depth"] else ("image", "mask")


def sample_file(manifest: dict, name: str, field: str) -> str:
    """Return the path of a sample's file in the folder layout and inside the zips' folders."""
    suffix = IMAGE_FORMATS[manifest["image_format"]] if field == "image" else "png"
    return f"{FOLDERS[field]}/{name.partition('_')[0]}/{name}.{suffix}"


class Members:
    """Reads the bytes of any sample's files.

    Parameters
    ----------
    store : Store
    manifest : dict
    """

    def __init__(self, store: Store, manifest: dict) -> None:
        self._store, self._manifest = store, manifest
        self._fields = fields_of(manifest)
        self._streams: dict[tuple[int, int, str], BinaryIO] = {}
        self._places: dict[int, dict[str, NDArray[np.int64]]] = {}

    def __getstate__(self) -> dict:
        """Leave open files and what was found behind: another process opens its own."""
        return {**self.__dict__, "_streams": {}, "_places": {}}

    def read(self, part: Part, row: int, name: str, field: str) -> bytes:
        """Return the bytes of one file of the sample at `row` of a part.

        Raises
        ------
        RunError
            When the file is not where the manifest says; the text names it.
        """
        try:
            if self._manifest["layout"] == "folder":
                return self._store.read(sample_file(self._manifest, name, field))
            if part.number not in self._places:
                self._places[part.number] = self._find(part)
            start, size = self._places[part.number][field][row]
            stream = self._open(self._file(part, field))
            stream.seek(start)
            return stream.read(size)
        except (OSError, IndexError, ValueError, struct.error) as error:
            raise RunError(
                f"{name}: expected its {field} in {self._store}, got none ({error}); "
                "run python -m evafast.inspect verify on it"
            ) from None

    def _file(self, part: Part, field: str) -> str:
        if self._manifest["layout"] == "webdataset":
            return shard_name(part.number)
        return f"{FOLDERS[field]}.zip"

    def _open(self, name: str) -> BinaryIO:
        """Return a stream of this process and thread alone: a stream has one position."""
        mine = os.getpid(), threading.get_ident(), name
        if mine not in self._streams:
            self._streams[mine] = self._store.open(name)
        return self._streams[mine]

    def _find(self, part: Part) -> dict[str, NDArray[np.int64]]:
        """Return ``{field: (n, 2) start and size}`` of a part."""
        if self._manifest["layout"] == "webdataset":
            places = list(_walk_tar(self._open(self._file(part, "image"))))
            members = np.array(places, dtype=np.int64).reshape(len(part), -1, 2)
            return {field: members[:, i] for i, field in enumerate(self._fields)}
        found = {}
        for field in self._fields:
            file = self._file(part, field)
            pieces = self._manifest["parts"][part.number]["pieces"]
            piece = next(p for p in pieces if p["file"] == file)
            stream = self._open(file)
            stream.seek(piece["offset"])
            places = [
                (piece["offset"] + at + head, size)
                for _, (name, _, size, at), head in _limited(stream, piece["size"])
            ]
            found[field] = np.array(places, dtype=np.int64)
        return found


def _limited(
    stream: BinaryIO, total: int
) -> Iterator[tuple[int, tuple[bytes, int, int, int], int]]:
    """Walk a segment inside an archive, up to its size; yield with the local header's length."""
    for count, entry in enumerate(walk_segment(stream)):
        name, _, size, at = entry
        head = 30 + len(name)
        yield count, entry, head
        if at + head + size >= total:
            return


def _walk_tar(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield start and size of every member of a tar that this package wrote."""
    position = 0
    stream.seek(0)
    while (header := stream.read(_BLOCK)) and header[0]:
        size = int(header[124:135], 8)
        yield position + _BLOCK, size
        position += _BLOCK + size + (-size % _BLOCK)
        stream.seek(position)
