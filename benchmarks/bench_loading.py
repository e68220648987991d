"""Reading samples back, image and mask, as uint8 tensors in batches of 64, in one process.

The same samples lie on disk in all three layouts (JPEG and matte PNG); the files are in the page
cache, so that this is the cost of finding and decoding, not the disk's. ``evafast, on the fly``
makes the same samples from the pictures and reads nothing. ``equal`` compares with our reader on
the same files (on the fly: with lossless pixels there would be no difference; here JPEG's noise).
"""

from __future__ import annotations

import io
import os
import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import evafast.generate
from benchmarks.inputs import described
from benchmarks.race import Contender, Race
from evafast import Compositor, Pipeline, open_dataset
from evafast.assets.loading import LoadedAssets
from evafast.dataset.members import sample_file
from evafast.pipeline import BufferRing
from evafast.writing.config import GenerateConfig

BATCH = 64
LAYOUTS = ("webdataset", "folder", "zip")
CORES = os.cpu_count() or 1


@pytest.fixture(scope="module")
def stored(bank, scale, tmp_path_factory):
    """Return the folder of each layout's data set, all of the same samples."""
    root = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evafast.generate, "_load_assets", lambda config: LoadedAssets(bank))
        for layout in LAYOUTS:
            evafast.generate.generate(GenerateConfig(
                out=str(root / layout), layout=layout, depth="none", limit=scale(2048, 128),
                samples_per_shard=512,
            ))  # fmt: skip
    yield {layout: root / layout for layout in LAYOUTS}
    shutil.rmtree(root)


class PillowDataset(Dataset):
    """What people write by hand: open two files of a sample by Pillow, make tensors of them."""

    def __init__(self, dataset) -> None:
        names = dataset.names.samples(dataset.placements_at(np.arange(len(dataset))))
        root = dataset.store.root
        self._files = [
            (str(root / sample_file(dataset.manifest, name, "image")),
             str(root / sample_file(dataset.manifest, name, "mask"))) for name in names
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, position):
        image, mask = self._files[position]
        with Image.open(image) as opened:
            pixels = torch.from_numpy(np.array(opened))
        with Image.open(mask) as opened:
            return pixels.permute(2, 0, 1), torch.from_numpy(np.array(opened))[None]


def by_library(folder, decode):
    """Return a webdataset pipeline over the shards, batched."""
    import webdataset

    shards = sorted(str(path) for path in (folder / "shards").glob("*.tar"))
    pipeline = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    pairs = pipeline.to_tuple("jpg", "mask.png").map_tuple(decode, decode)
    return pairs.batched(BATCH, collation_fn=stacked)


def stacked(samples):
    """Return arrays of a batch as tensors."""
    images, masks = zip(*samples, strict=True)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), torch.from_numpy(
        np.stack(masks)
    )[:, None]


def by_pillow(data):
    """Decode by Pillow."""
    return np.asarray(Image.open(io.BytesIO(data)))


def by_opencv(data):
    """Decode by OpenCV, to RGB or grey."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def exhausted(loader):
    """Return a call that reads a loader to its end."""

    def call():
        for _ in loader:
            pass

    return call


def test_loading(benchmark, stored, bank, pictures, scale, keep_race):
    sets = {layout: open_dataset(folder) for layout, folder in stored.items()}
    first = sets["webdataset"]
    count = len(first)
    expected = first[0:BATCH]
    shuffled = np.random.default_rng(0).permutation(count)

    def same(batch):
        return torch.equal(batch[0], expected.image) and torch.equal(batch[1], expected.mask)

    def stream(dataset, positions):
        batches = [positions[i : i + BATCH] for i in range(0, count, BATCH)]

        def call():
            for batch in batches:
                dataset[batch]

        return call

    in_order = np.arange(count)
    contenders = [
        Contender("evafast, webdataset", "ours", exhausted(first.stream(BATCH)), count, True)
    ]
    for layout, dataset in sets.items():
        read = dataset[0:BATCH]
        contenders.append(Contender(
            f"evafast, {layout}, at random", "ours", stream(dataset, shuffled), count,
            same((read.image, read.mask)),
        ))  # fmt: skip
    hand = PillowDataset(sets["folder"])
    loader = DataLoader(hand, BATCH)
    contenders.append(Contender(
        "Pillow Dataset, files", "baseline", exhausted(loader), count, same(next(iter(loader))),
        note="a hand-written Dataset over the folder layout",
    ))  # fmt: skip
    for name, decode in (("Pillow", by_pillow), ("OpenCV", by_opencv)):
        made = by_library(stored["webdataset"], decode)
        contenders.append(Contender(
            f"webdataset library, {name}", "peer", exhausted(made), count, same(next(iter(made))),
            note="the library's own reader over the same shards",
        ))  # fmt: skip
    recipe = first.recipe
    compositor = Compositor(bank, backend="numba", device="cpu")
    pipeline, ring = Pipeline(bank, recipe, compositor), BufferRing(compositor, BATCH, 1)

    def live():
        for batch in pipeline.batches(recipe.order[in_order], BATCH, ring=ring):
            batch.release()

    contenders.append(Contender(
        "evafast, on the fly", "ours", live, count,
        note=f"made, not read; {CORES} threads, into recycled buffers",
    ))  # fmt: skip
    race = Race(contenders)
    race.run(benchmark, scale(7, 2), patience=2)
    ours, baseline = contenders[0].name, "Pillow Dataset, files"
    keep_race(
        "loading", race, title="Reading back image and mask at 224 px, one process",
        unit="samples/s",
        ratios=[
            race.ratio(ours, baseline), race.ratio(ours, "webdataset library, Pillow"),
            race.ratio(ours, "webdataset library, OpenCV"),
            race.ratio("evafast, on the fly", baseline), race.ratio("evafast, on the fly", ours),
        ],
        parameters={**described(pictures), "samples": count, "batch": BATCH, "image": "JPEG q90"},
    )  # fmt: skip
