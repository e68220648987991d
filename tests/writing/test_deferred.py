"""Batches that encoder threads composite themselves: same pixels, few buffers, shared evenly."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from evafast import Compositor, Pipeline, Recipe
from evafast.errors import UsageError
from evafast.generate import generate
from evafast.system.timing import StageClock
from evafast.writing.config import GenerateConfig
from evafast.writing.transfer import DeferredHostBatch, HostTransfer


def test_deferred_batches_are_split_as_others_are(bank):
    recipe = Recipe.for_bank(bank)
    pipeline = Pipeline(bank, recipe, Compositor(bank, device="cpu", parallel=False))
    for indices in (slice(7), slice(5, 25, 3), [4, 1, 3, 3]):
        batches = list(pipeline.deferred_batches(indices, 3))
        others = list(pipeline.batches(indices, 3))
        assert [len(b) for b in batches] == [len(b) for b in others]
        for batch, other in zip(batches, others, strict=True):
            assert batch.placements.index.tolist() == other.index.tolist()
    with pytest.raises(UsageError, match="batch size: expected at least 1"):
        next(pipeline.deferred_batches(None, 0))
    with pytest.raises(IndexError):
        next(pipeline.deferred_batches([len(recipe)], 1))


def test_deferred_pixels_go_round_in_a_buffer_of_each_thread(bank, monkeypatch):
    recipe = Recipe.for_bank(bank)
    compositor = Compositor(bank, device="cpu", parallel=False)
    pipeline, transfer = Pipeline(bank, recipe, compositor), HostTransfer(clock=StageClock())
    allocated, allocate = [], Compositor.allocate
    monkeypatch.setattr(
        Compositor, "allocate", lambda self, n: (allocated.append(n), allocate(self, n))[1]
    )
    hosts = [transfer.start(b) for b in pipeline.deferred_batches(slice(24), 12)]

    def take():
        for host in hosts:
            for start in (0, 8):
                piece = host.wait(start, start + 8, None)
                expected = compositor(piece.placements, allocate(compositor, len(piece.placements)))
                assert np.array_equal(piece.image, expected.image.numpy())
                assert np.array_equal(piece.mask, expected.mask.numpy())
                taken.extend(piece.placements.index.tolist())

    for _ in range(2):
        taken = []
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        assert taken == list(range(24))
    assert allocated == [8, 8]


def test_a_small_batch_is_shared_among_all_encoders(folders, tmp_path, monkeypatch):
    sizes, wait = [], DeferredHostBatch.wait

    def noted(self, start, stop, names):
        sizes.append(min(stop, len(self.batch)) - start)
        return wait(self, start, stop, names)

    monkeypatch.setattr(DeferredHostBatch, "wait", noted)
    generate(GenerateConfig(
        backgrounds=folders[0], foregrounds=folders[1], out=str(tmp_path / "set"), depth="none",
        device="cpu", limit=40, batch_size=20, workers=3,
    ))  # fmt: skip
    assert sorted(sizes) == [6, 6, 7, 7, 7, 7]
