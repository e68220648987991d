"""COCO annotations of a dataset: boxes and masks.

One category, ``foreground``; one annotation per sample: the mask (coverage >= 128) as compressed
run lengths by pycocotools, and its bounding box. Nothing is copied: file names point into the
dataset, or name the member of a shard or archive.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from evafast.compositing.pixel import BINARY_THRESHOLD
from evafast.dataset.codec import decode_image
from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.dataset.reader import StoredDataset

_CHUNK = 256


def coco_annotations(
    dataset: StoredDataset, stream: TextIO, advance: Callable[[int], object] = lambda count: None
) -> int:
    """Write a dataset's annotations as COCO JSON.

    Parameters
    ----------
    dataset : StoredDataset
    stream : text stream
        Written bit by bit: memory does not grow with the dataset.
    advance : callable
        Called with the number of samples just written.

    Returns
    -------
    int
        Annotations written; a sample without a visible pixel at half coverage has none.

    Raises
    ------
    UsageError
        If pycocotools is not installed.
    RunError
        If a file is missing or does not decode.
    """
    if find_spec("pycocotools") is None:
        raise UsageError(
            'coco: expected pycocotools, got none; install it: pip install "evafast[coco]"'
        )
    info = {
        "description": f"made by evafast {dataset.plan.evafast}, seed {dataset.plan.seed}",
        "date_created": None,
    }
    categories = [{"id": 1, "name": "foreground", "supercategory": ""}]
    stream.write(
        f'{{"info": {json.dumps(info)}, "licenses": [], "categories": {json.dumps(categories)},\n'
        '"images": ['
    )
    for position, name in dataset.named():
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


def _image(dataset: StoredDataset, position: int, name: str) -> dict[str, Any]:
    side = dataset.plan.canvas
    entry = {"id": position + 1, "width": side, "height": side}
    return {**entry, **dataset.location(position, name)}


def _masks(dataset: StoredDataset, start: int, stop: int) -> Iterator[NDArray[np.bool_]]:
    for position, name in dataset.named(start, stop):
        data = dataset.read_files(position, name, fields=("mask",))["mask"]
        yield decode_image(data, f"{name} mask") >= BINARY_THRESHOLD


def _annotation(mask: NDArray[np.bool_], image: int, number: int) -> dict[str, Any] | None:
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
