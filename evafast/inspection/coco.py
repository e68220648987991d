"""COCO annotations of a dataset: boxes and masks.

One category, ``foreground``; one annotation per sample: the mask (coverage >= 128) as compressed
run lengths by pycocotools, and its bounding box. Nothing is copied: file names point into the
dataset, or name a member of a shard or archive.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from evafast.compositing.pixel import BINARY_THRESHOLD
from evafast.dataset.codec import decode_image
from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.dataset.reader import StoredDataset


def coco_annotations(
    dataset: StoredDataset, stream: TextIO, advance: Callable[[int], object] = lambda count: None
) -> int:
    """Write a dataset's annotations as COCO JSON and return their number.

    A sample with no pixel of coverage >= 128 gets no annotation. Memory does not grow with the
    dataset. `advance` is called with the number of samples just annotated.
    """
    if find_spec("pycocotools") is None:
        raise UsageError(
            'coco: expected pycocotools, got none; install it: pip install "evafast[coco]"'
        )
    made = f"made by evafast {dataset.plan.evafast}, seed {dataset.plan.seed}"
    info = {"description": made, "date_created": None}
    categories = [{"id": 1, "name": "foreground", "supercategory": ""}]
    stream.write(
        f'{{"info": {json.dumps(info)}, "licenses": [], "categories": {json.dumps(categories)},\n'
        '"images": ['
    )
    side = dataset.plan.canvas
    for position, name in dataset.named():
        size = {"id": position + 1, "width": side, "height": side}
        image = {**size, **dataset.location(position, name)}
        stream.write(",\n" * (position > 0) + json.dumps(image))
    stream.write('],\n"annotations": [')
    count = 0
    for position, name in dataset.named():
        data = dataset.read_files(position, name, fields=("mask",))["mask"]
        mask = decode_image(data, f"{name} mask") >= BINARY_THRESHOLD
        if annotation := _annotation(mask, position + 1, count + 1):
            stream.write(",\n" * (count > 0) + json.dumps(annotation))
            count += 1
        advance(1)
    stream.write("]}\n")
    return count


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
