"""Reading image and mask back as uint8 tensors in batches of 64, in one process.

The same samples are stored in all three formats (JPEG and matte PNG) and are in the page cache, so
this is the cost of finding and decoding, not the disk's. *On the fly* composites the same samples
and reads nothing. ``equal`` compares with our reader on the same files.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender
from evafast import Compositor, Pipeline, open_dataset
from evafast.pipeline import BufferPool
from evafast.writing import GenerateConfig, generate

BATCH = 64
FORMATS = ("webdataset", "folder", "zip")
HAND, LIVE = "Pillow Dataset, files", "evafast, on the fly"


class PillowDataset(Dataset):
    """What people write by hand: open two files per sample with Pillow, make tensors of them."""

    def __init__(self, root, names) -> None:
        self._files = [
            (root / "fg_bg" / name.partition("_")[0] / f"{name}.jpg",
             root / "fg_bg_mask" / name.partition("_")[0] / f"{name}.png") for name in names
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, position):
        image, mask = (by_pillow(path) for path in self._files[position])
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(mask)[None]


def by_pillow(source):
    """Decode a file or bytes with Pillow."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
        return np.array(opened)


def by_opencv(data):
    """Decode bytes with OpenCV, to RGB or grey."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def by_library(folder, decode):
    """Return a pipeline of the webdataset library over the shards, batched."""
    import webdataset

    shards = sorted(str(path) for path in (folder / "shards").glob("*.tar"))
    pipeline = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    pairs = pipeline.to_tuple("jpg", "mask.png").map_tuple(decode, decode)
    return pairs.batched(BATCH, collation_fn=stacked)


def stacked(samples):
    """Return a batch's arrays as tensors."""
    images, masks = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True))
    return images.permute(0, 3, 1, 2), masks[:, None]


def exhausted(loader):
    """Return a call that reads a loader to its end."""

    def call():
        for _ in loader:
            pass

    return call


@pytest.mark.budget(40)
def test_loading(suite, tmp_path):
    bank, count, skipped = suite.inputs.bank, suite.size(1024, 128), {}
    for layout in FORMATS:
        generate(GenerateConfig(
            out=str(tmp_path / layout), layout=layout, depth="none", limit=count,
            samples_per_shard=512,
        ), bank=bank)  # fmt: skip
    sets = {layout: open_dataset(tmp_path / layout) for layout in FORMATS}
    first = sets["webdataset"]
    expected = first[0:BATCH]
    shuffled = np.random.default_rng(0).permutation(count)

    def same(batch):
        return torch.equal(batch[0], expected.image) and torch.equal(batch[1], expected.mask)

    def at_random(dataset):
        for start in range(0, count, BATCH):
            dataset[shuffled[start : start + BATCH]]

    ours = "evafast, webdataset"
    contenders = [Contender(ours, "ours", exhausted(first.stream(BATCH)), count, True)]
    for layout, dataset in sets.items():
        read = dataset[0:BATCH]
        contenders.append(Contender(
            f"evafast, {layout}, at random", "ours", lambda dataset=dataset: at_random(dataset),
            count, same((read.image, read.mask)),
        ))  # fmt: skip
    names = first.names.samples(first.placements_at(np.arange(count)))
    loader = DataLoader(PillowDataset(tmp_path / "folder", names), BATCH)
    contenders.append(Contender(
        HAND, "baseline", exhausted(loader), count, same(next(iter(loader))),
        note="a hand-written Dataset over the folder layout",
    ))  # fmt: skip
    for name, decode in (("Pillow", by_pillow), ("OpenCV", by_opencv)):
        try:
            made = by_library(tmp_path / "webdataset", decode)
        except ImportError as error:
            skipped[f"webdataset library, {name}"] = f"not installed: {error.name}"
            continue
        contenders.append(Contender(
            f"webdataset library, {name}", "peer", exhausted(made), count, same(next(iter(made))),
            note="the library's own reader over the same shards",
        ))  # fmt: skip
    pipeline = Pipeline(bank, first.recipe, Compositor(bank, backend="numba", device="cpu"))
    pool = BufferPool(pipeline.compositor, BATCH, 1)

    def live():
        for batch in pipeline.batches(first.recipe.order[np.arange(count)], BATCH, pool=pool):
            batch.release()

    contenders.append(Contender(
        LIVE, "ours", live, count, note=f"made, not read; {CORES} threads, into recycled buffers"
    ))  # fmt: skip
    race = suite.race("Reading back image and mask at 224 px, one process", contenders, 7, skipped)
    peers = [c.name for c in contenders if c.role == "peer"]
    suite.keep(
        "loading", race, unit="samples/s",
        ratios=[race.ratio(ours, HAND), *(race.ratio(ours, peer) for peer in peers),
                race.ratio(LIVE, HAND), race.ratio(LIVE, ours)],
        parameters={**suite.inputs.described, "samples": count, "batch": BATCH,
                    "image": "JPEG q90"},
    )  # fmt: skip
