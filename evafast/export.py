"""``python -m evafast.export coco DIR OUT.json``: boxes and masks as COCO annotations.

One category, ``foreground``; one annotation a sample: the visible box of the mask, and the mask
itself (coverage >= 128) as compressed run lengths by pycocotools. Nothing is copied: file names
point into the data set (or name the member of a shard or zip).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, TextIO

import numpy as np

from evafast.compositing.pixel import BINARY_THRESHOLD
from evafast.errors import UsageError, quoted
from evafast.system.console import Console, OneLineParser, run_command, set_up_logging

if TYPE_CHECKING:
    from evafast.dataset.reader import StoredDataset

_CHUNK = 256


def coco_annotations(
    dataset: StoredDataset, stream: TextIO, advance: Callable[[int], None] = lambda count: None
) -> int:
    """Write a data set's annotations as COCO JSON.

    Parameters
    ----------
    dataset : StoredDataset
    stream : text stream
        Written piece by piece: memory does not grow with the data set.
    advance : callable
        Told how many more samples were written.

    Returns
    -------
    int
        Annotations written; a sample without a visible pixel at half coverage has none.

    Raises
    ------
    UsageError
        When pycocotools is not installed.
    RunError
        When a file is missing or does not decode.
    """
    if find_spec("pycocotools") is None:
        raise UsageError(
            'coco: expected pycocotools, got none; install it: pip install "evafast[coco]"'
        )
    info = {
        "description": f"made by evafast {dataset.manifest['evafast']}, "
        f"seed {dataset.manifest['seed']}",
        "date_created": None,
    }
    categories = [{"id": 1, "name": "foreground", "supercategory": ""}]
    stream.write(
        f'{{"info": {json.dumps(info)}, "licenses": [], "categories": {json.dumps(categories)},\n'
        '"images": ['
    )
    for position, name in _names(dataset):
        stream.write(",\n" * (position > 0) + json.dumps(_image(dataset, position, name)))
    stream.write('],\n"annotations": [')
    count = 0
    for start in range(0, len(dataset), _CHUNK):
        stop = min(start + _CHUNK, len(dataset))
        for row, mask in enumerate(_masks(dataset, start, stop)):
            if annotation := _annotation(mask, start + row + 1, count + 1):
                stream.write(",\n" * (count > 0) + json.dumps(annotation))
                count += 1
        advance(stop - start)
    stream.write("]}\n")
    return count


def _names(dataset: StoredDataset) -> Iterator[tuple[int, str]]:
    for start in range(0, len(dataset), _CHUNK):
        positions = range(start, min(start + _CHUNK, len(dataset)))
        names = dataset.names.samples(dataset.placements_at(positions))
        yield from zip(positions, names, strict=True)


def _image(dataset: StoredDataset, position: int, name: str) -> dict:
    from evafast.dataset.members import sample_file
    from evafast.dataset.naming import shard_name

    manifest = dataset.manifest
    file = sample_file(manifest, name, "image")
    entry = {"id": position + 1, "width": manifest["canvas"], "height": manifest["canvas"]}
    if manifest["layout"] == "webdataset":
        shard = shard_name(position // manifest["samples_per_part"])
        return {**entry, "file_name": file.rpartition("/")[2], "shard": shard}
    if manifest["layout"] == "zip":
        folder, _, inner = file.partition("/")
        return {**entry, "file_name": inner, "archive": f"{folder}.zip"}
    return {**entry, "file_name": file}


def _masks(dataset: StoredDataset, start: int, stop: int) -> Iterator[np.ndarray]:
    from evafast.dataset.codec import decode_picture

    names = dataset.names.samples(dataset.placements_at(slice(start, stop)))
    for position, name in zip(range(start, stop), names, strict=True):
        data = dataset.read_sample(position, name, fields=("mask",))["mask"]
        yield decode_picture(data, f"{name} mask") >= BINARY_THRESHOLD


def _annotation(mask: np.ndarray, image: int, number: int) -> dict | None:
    from pycocotools import mask as coco

    if not mask.any():
        return None
    lengths = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "area": int(mask.sum()),
        "bbox": [float(v) for v in coco.toBbox(lengths)],
        "segmentation": {"size": lengths["size"], "counts": lengths["counts"].decode("ascii")},
    }


@contextmanager
def _appearing_whole(path: Path) -> Iterator[TextIO]:
    """Write a text file that appears when the block ends well, and not at all otherwise."""
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as stream:
        temporary = Path(stream.name)
        try:
            yield stream  # type: ignore[misc]
            stream.close()
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        from evafast.dataset.reader import open_dataset

        parser = OneLineParser(
            prog="python -m evafast.export", description="Write annotations in another format."
        )
        parser.add_argument("format", choices=["coco"], help="boxes and masks as COCO JSON")
        parser.add_argument("dataset", metavar="DIR", help="a data set that evafast made")
        parser.add_argument("out", type=Path, metavar="OUT.json", help="a new file")
        parser.add_argument("--quiet", action="store_true", help="no progress")
        given = parser.parse_args(arguments)
        set_up_logging(quiet=given.quiet)
        console = Console(quiet=given.quiet)
        dataset = open_dataset(given.dataset)
        if given.out.exists():
            raise UsageError(f"out: {quoted(given.out)} is there already; move it or name another")
        try:
            with (
                _appearing_whole(given.out) as stream,
                console.progress("annotating", len(dataset)) as progress,
            ):
                count = coco_annotations(dataset, stream, progress.advance)
        except OSError as error:
            raise UsageError(
                f"out: cannot write {quoted(given.out)}: {error.strerror}; choose another place"
            ) from None
        console.say(f"wrote {count:,} annotations to {quoted(given.out)}")

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
