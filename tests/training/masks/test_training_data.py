"""Streams: every sample once per pass, no two ranks the same, live or from disk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import UsageError
from training.masks.config import DataConfig
from training.masks.data import FixedBatches, TrainingStream, mean_depth, open_source

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def source(config):
    return open_source(config.data, CPU)


@pytest.fixture
def stream(config, source):
    def make(*, prefetch=None, rank=0, world_size=1, **options):
        changed = replace(config, **{"steps": 100, "validate_every": 5} | options)
        ranks = {"rank": rank, "world_size": world_size}
        return TrainingStream(changed, source, CPU, prefetch=prefetch, **ranks)

    return make


def numbers_of(subset):
    return np.asarray(subset[np.arange(len(subset))])


def test_a_pass_takes_every_training_sample_once_over_all_ranks(source, stream):
    count = len(source.training)  # 6 backgrounds x 12 foregrounds x 3
    assert count == 216
    ranks = [stream(rank=r, world_size=3) for r in range(3)]
    steps = count // (3 * 8)
    seen = np.concatenate([r.numbers(step) for step in range(steps) for r in ranks])
    assert np.sort(seen).tolist() == np.sort(numbers_of(source.training)).tolist()
    again = np.concatenate([r.numbers(step) for step in range(steps, 2 * steps) for r in ranks])
    assert np.sort(again).tolist() == np.sort(seen).tolist()
    assert again.tolist() != seen.tolist()


def test_a_batch_may_span_two_passes(source, stream):
    numbers = stream(batch_size=50).numbers(4)  # samples 200 .. 249 of 216 per pass
    assert len(numbers) == 50
    assert not set(numbers_of(source.validation).tolist()) & set(numbers.tolist())


def test_prefetched_batches_are_the_same_and_end_with_the_epoch(stream):
    made = []
    ahead, plain = stream(), stream(prefetch=False)
    views = ahead.views

    def noted(step):
        made.append((step, threading.current_thread() is threading.main_thread()))
        return views(step)

    ahead.views = noted
    for _ in range(2):
        for one, other in zip(ahead, plain, strict=True):
            assert one.index.tolist() == other.index.tolist()
            assert torch.equal(one.background, other.background)
            assert torch.equal(one.composite, other.composite)
        assert len(made) % 5 == 0
    assert made == [(step, False) for step in range(10)]


def test_an_error_in_a_prefetched_batch_reaches_the_consumer(stream):
    failing = stream()
    views = failing.views
    failing.views = lambda step: views(step) if step < 2 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(failing)


def test_state_resumes_in_the_middle_of_an_epoch(stream):
    whole = stream()
    expected = [v for _ in range(2) for v in whole]
    first = stream()
    begun = iter(first)
    for _ in range(3):
        next(begun)
    second = stream()
    second.load_state_dict(first.state_dict())
    rest = [v for _ in range(2) for v in second]
    assert len(rest) == 2 + 5
    for one, other in zip(expected[3:], rest, strict=True):
        assert one.index.tolist() == other.index.tolist()
        assert torch.equal(one.composite, other.composite)


def test_fixed_batches_do_not_depend_on_the_ranks(config, source):
    def batches(**ranks):
        return list(FixedBatches(config, source, CPU, samples=20, **ranks))

    alone = batches()
    assert [len(v) for v in alone] == [8, 8, 4]
    one, other = (batches(rank=r, world_size=2) for r in (0, 1))
    assert len(one) == len(other) == 1  # the third batch would leave a rank waiting
    for mine, same in zip((one[0], other[0]), alone, strict=False):
        assert torch.equal(mine.composite, same.composite)
        assert torch.equal(mine.mask, same.mask)
    with pytest.raises(UsageError, match="expected a batch of 8 for each of 4 ranks"):
        batches(rank=0, world_size=4)


def test_views_are_the_compositors_pixels(config, source):
    plain = FixedBatches(config, source, CPU, samples=4, plain=True)
    views = next(iter(plain))
    batch = source.read(plain.numbers)
    assert torch.equal((views.composite * 255).round().to(torch.uint8), batch.image)
    assert torch.equal((views.mask * 255).round().to(torch.uint8), batch.mask)
    assert torch.equal((views.background * 255).round().to(torch.uint8), batch.background)


def test_depth_comes_from_the_teacher(config, teacher):
    data = replace(config.data, canvas=96, placements=1, depth=str(teacher), depth_input=32)
    source = open_source(data, CPU)
    plain = FixedBatches(replace(config, data=data), source, CPU, samples=6, plain=True)
    views = next(iter(plain))
    assert views.depth.shape == (6, 1, 48, 48)
    depth = source.read(plain.numbers).depth
    assert torch.allclose(views.depth, torch.nn.functional.avg_pool2d(depth, 2))
    assert mean_depth(plain) == pytest.approx(float(depth.mean()), rel=1e-4)


def test_from_disk_equals_on_the_fly(tmp_path, config):
    from evafast.assets.preprocess import AssetConfig
    from evafast.dataset.codec import Codec
    from evafast.writing import GenerateConfig, generate

    data = config.data
    assets = AssetConfig(
        canvas=data.canvas, foreground_size=data.canvas * 150 // 224,
        min_foreground=(data.canvas * 40 // 224, data.canvas * 50 // 224),
    )  # fmt: skip
    generate(
        GenerateConfig(
            backgrounds=Path(data.backgrounds), foregrounds=Path(data.foregrounds), assets=assets,
            out=str(tmp_path / "set"), placements=3, depth="none", device="cpu",
            codec=Codec(image_format="png"),
        )
    )  # fmt: skip
    live = open_source(data, CPU)
    stored = open_source(DataConfig(dataset=str(tmp_path / "set"), validation_share=0.25), CPU)
    for side in ("training", "validation"):
        batch = stored.read(numbers_of(getattr(stored, side)))
        expected = live.read(batch.index)
        assert np.sort(batch.index).tolist() == np.sort(numbers_of(getattr(live, side))).tolist()
        assert torch.equal(batch.image, expected.image)
        assert torch.equal(batch.mask, expected.mask)
        assert torch.equal(batch.background, expected.background)


def test_placement_split_shares_assets_but_no_sample(config):
    source = open_source(replace(config.data, split="placement"), CPU)
    training, validation = numbers_of(source.training), numbers_of(source.validation)
    assert not set(training.tolist()) & set(validation.tolist())
    assert len(training) + len(validation) == len(source.recipe)


def test_a_missing_teacher_or_dataset_is_refused(config, tmp_path):
    with pytest.raises(UsageError):
        open_source(DataConfig(dataset=str(tmp_path)), CPU)
    with pytest.raises(UsageError):
        open_source(replace(config.data, depth=str(tmp_path / "none.safetensors")), CPU)


def test_compositing_leaves_torchs_threads_alone():
    """Numba's OpenMP layer would change their number and slow training steps several times."""
    code = """
import training, torch, numpy as np
from evafast import Bank, Recipe, composite
before = torch.get_num_threads()
bank = Bank.from_arrays([np.zeros((8, 8, 3), np.uint8)], [np.ones((3, 3, 4), np.uint8)])
composite(bank, Recipe.for_bank(bank)[:8], backend="numba", device="cpu")
assert torch.get_num_threads() == before == 1, (before, torch.get_num_threads())
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "NUMBA_THR"))}
    environment |= {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], env=environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
