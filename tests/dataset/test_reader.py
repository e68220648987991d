"""Reading back: every format gives the batches that the pipeline gives live."""

from itertools import chain

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from evafast import Bank, Compositor, Pipeline, Recipe, RunError, UsageError, open_dataset
from evafast.assets.preprocess import AssetConfig
from evafast.generate import main

SMALL = ["--placements", "3", "--canvas", "96", "--foreground-size", "60", "--min-foreground",
         "8x8", "--samples-per-shard", "7", "--depth", "none", "--image-format", "png"]  # fmt: skip
COUNT = 36
LAYOUTS = ["webdataset", "folder", "zip"]


@pytest.fixture(scope="module")
def stored(folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    for layout in LAYOUTS:
        pictures = ["--backgrounds", str(folders[0]), "--foregrounds", str(folders[1])]
        assert main([*pictures, "--out", str(root / layout), "--layout", layout, *SMALL]) == 0
    return root


@pytest.fixture(scope="module")
def live(folders):
    config = AssetConfig(canvas=96, foreground_size=60, min_foreground=(8, 8))
    bank = Bank.from_folders(*folders, config)
    return Pipeline(bank, Recipe.for_bank(bank, placements=3), Compositor(bank))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stored_equals_live(stored, live, layout):
    dataset = open_dataset(stored / layout)
    assert len(dataset) == COUNT
    order = live.recipe.order[:]
    for got, expected in (
        (dataset[:], live.batch(order)),
        (dataset[[5]], live.batch(order[[5]])),
        (dataset[[-1]], live.batch(order[[-1]])),
        (dataset[[30, 2, 17]], live.batch(order[[30, 2, 17]])),
    ):
        assert torch.equal(got.image, expected.image)
        assert torch.equal(got.mask, expected.mask)
        assert torch.equal(got.background, expected.background)
        assert np.array_equal(got.index, expected.index)
        assert np.array_equal(got.placements.left, expected.placements.left)
        assert got.image.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_plain_data_loader_collates_samples(stored, workers):
    dataset = open_dataset(stored / "webdataset")
    batches = list(DataLoader(dataset, batch_size=8, num_workers=workers))
    assert [len(b["image"]) for b in batches] == [8, 8, 8, 8, 4]
    expected = dataset[:]
    for name in ("image", "mask", "background"):
        assert torch.equal(torch.cat([b[name] for b in batches]), getattr(expected, name))
    assert torch.cat([b["index"] for b in batches]).tolist() == expected.index.tolist()
    assert dataset[3]["name"] == dataset.names.samples(expected.placements)[3]
    assert "depth" not in dataset[3]


def test_a_batch_sampler_reads_whole_batches(stored):
    dataset = open_dataset(stored / "zip")
    sampler = BatchSampler(SequentialSampler(dataset), batch_size=8, drop_last=False)
    batches = list(DataLoader(dataset, sampler=sampler, batch_size=None))
    assert [len(b) for b in batches] == [8, 8, 8, 8, 4]
    assert torch.equal(torch.cat([b.image for b in batches]), dataset[:].image)


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (2, 0), (3, 0), (5, 2), (1, 3)])
def test_stream_splits_evenly_and_without_overlap(stored, ranks, workers):
    """Uneven counts: 36 samples in shards of 7, over up to 10 consumers."""
    dataset = open_dataset(stored / "zip")
    seen, batches = [], []
    for rank in range(ranks):
        stream = dataset.stream(batch_size=2, rank=rank, world_size=ranks)
        loader = DataLoader(stream, batch_size=None, num_workers=workers)
        read = list(loader)
        batches.append([len(b) for b in read])
        seen += [index for b in read for index in b.index.tolist()]
    assert len({tuple(sorted(b)) for b in batches}) == 1, "every rank has as many batches"
    assert len(seen) == len(set(seen))
    consumers = ranks * max(workers, 1)
    assert len(seen) == COUNT // consumers * consumers


def test_stream_epochs_differ_and_resume_exactly(stored):
    dataset = open_dataset(stored / "webdataset")
    stream = dataset.stream(batch_size=5)
    epochs = []
    for epoch in range(2):
        stream.set_epoch(epoch)
        epochs.append([b.index.tolist() for b in stream])
    assert (
        sorted(chain(*epochs[0])) == sorted(chain(*epochs[1])) == sorted(dataset[:].index.tolist())
    )
    assert epochs[0] != epochs[1]

    stream.set_epoch(1)
    iterator = iter(stream)
    first = [next(iterator).index.tolist() for _ in range(3)]
    state = stream.state_dict()
    resumed = dataset.stream(batch_size=5)
    resumed.load_state_dict(state)
    assert first + [b.index.tolist() for b in resumed] == epochs[1]


def test_an_iteration_that_broke_off_is_not_continued_by_the_next(stored):
    stream = open_dataset(stored / "webdataset").stream(batch_size=5)
    for workers in (0, 1):
        loader = DataLoader(
            stream, batch_size=None, num_workers=workers, persistent_workers=workers > 0
        )
        next(iter(loader))
        stream.set_epoch(1)
        assert sum(len(b) for b in loader) == COUNT


def test_errors_name_the_file(stored, tmp_path):
    import shutil

    with pytest.raises(UsageError, match=r"without manifest\.json"):
        open_dataset(tmp_path)
    shutil.copytree(stored / "folder", tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    name = dataset.names.samples(dataset.placements_at([4]))[0]
    (tmp_path / "set" / "fg_bg" / name[:5] / f"{name}.png").unlink()
    with pytest.raises(RunError, match=f"{name} image: expected it in"):
        dataset[4]
    with pytest.raises(IndexError, match="position: expected -36 to 35"):
        dataset[36]
    with pytest.raises(UsageError, match="rank: expected 0 to 1"):
        dataset.stream(rank=2, world_size=2)
    (tmp_path / "set" / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match="is damaged"):
        open_dataset(tmp_path / "set")
