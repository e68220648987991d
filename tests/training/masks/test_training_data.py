"""Streams: every sample once a pass, no two ranks the same, from here or from disk."""

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
from training.masks.augment import Augmentation
from training.masks.config import AugmentConfig, DataConfig
from training.masks.data import FixedBatches, TrainingStream, mean_depth, open_source

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def source(picture_folders):
    backgrounds, foregrounds = picture_folders
    return open_source(
        DataConfig(
            backgrounds=str(backgrounds), foregrounds=str(foregrounds), size=48, canvas=48,
            placements=3, validation_share=0.25, depth="none",
        ),
        CPU,
    )  # fmt: skip


def stream(source, **options):
    settings = {"size": 48, "device": CPU, "batch_size": 8, "steps": 5} | options
    return TrainingStream(source, Augmentation(AugmentConfig()), **settings)


def test_a_pass_takes_every_training_sample_once_over_all_ranks(source):
    count = len(source.training)  # 6 backgrounds x 12 cut-outs x 3
    assert count == 216
    ranks = [stream(source, rank=r, world_size=3, batch_size=8) for r in range(3)]
    steps = count // (3 * 8)
    seen = np.concatenate([r.numbers(step) for step in range(steps) for r in ranks])
    assert np.sort(seen).tolist() == np.sort(source.training[np.arange(count)]).tolist()
    again = np.concatenate([r.numbers(step) for step in range(steps, 2 * steps) for r in ranks])
    assert np.sort(again).tolist() == np.sort(seen).tolist()
    assert again.tolist() != seen.tolist()


def test_a_batch_may_lie_across_two_passes(source):
    numbers = stream(source, batch_size=50).numbers(4)  # samples 200 .. 249 of 216 a pass
    assert len(numbers) == 50
    held = set(source.validation[np.arange(len(source.validation))].tolist())
    assert not held & set(numbers.tolist())


def test_batches_made_ahead_are_the_same_and_end_with_the_epoch(source):
    made = []

    class Noted(TrainingStream):
        def views(self, step):
            made.append((step, threading.current_thread() is threading.main_thread()))
            return super().views(step)

    settings = {"size": 48, "device": CPU, "batch_size": 8, "steps": 5}
    ahead = Noted(source, Augmentation(AugmentConfig()), **settings)
    plain = stream(source, ahead=False)
    for _ in range(2):
        for one, other in zip(ahead, plain, strict=True):
            assert one.index.tolist() == other.index.tolist()
            assert torch.equal(one.background, other.background)
            assert torch.equal(one.composite, other.composite)
        assert len(made) % 5 == 0
    assert made == [(step, False) for step in range(10)]


def test_an_error_in_a_batch_made_ahead_reaches_the_consumer(source, monkeypatch):
    failing = stream(source)
    views = failing.views
    monkeypatch.setattr(failing, "views", lambda step: views(step) if step < 2 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(failing)


def test_state_continues_in_the_middle_of_an_epoch(source):
    whole = stream(source)
    expected = [v for _ in range(2) for v in whole]
    first = stream(source)
    begun = iter(first)
    for _ in range(3):
        next(begun)
    second = stream(source)
    second.load_state_dict(first.state_dict())
    rest = [v for _ in range(2) for v in second]
    assert len(rest) == 2 + 5
    for one, other in zip(expected[3:], rest, strict=True):
        assert one.index.tolist() == other.index.tolist()
        assert torch.equal(one.composite, other.composite)


def test_fixed_batches_do_not_depend_on_the_ranks(source):
    def batches(**ranks):
        return list(
            FixedBatches(source, Augmentation(AugmentConfig()), size=48, device=CPU, samples=20,
                         batch_size=8, **ranks)
        )  # fmt: skip

    alone = batches()
    assert [len(v) for v in alone] == [8, 8, 4]
    one, other = (batches(rank=r, world_size=2) for r in (0, 1))
    assert len(one) == len(other) == 1  # the third batch would leave a rank waiting
    for mine, same in zip((one[0], other[0]), alone, strict=False):
        assert torch.equal(mine.composite, same.composite)
        assert torch.equal(mine.mask, same.mask)
    with pytest.raises(UsageError, match="expected a batch of 8 for each of 4 ranks"):
        batches(rank=0, world_size=4)


def test_views_are_the_compositors_pixels(source):
    plain = FixedBatches(source, Augmentation(AugmentConfig.none()), size=48, device=CPU, samples=4)
    views = next(iter(plain))
    batch = source.read(plain.numbers)
    assert torch.equal((views.composite * 255).round().to(torch.uint8), batch.image)
    assert torch.equal((views.mask * 255).round().to(torch.uint8), batch.mask)
    assert torch.equal((views.background * 255).round().to(torch.uint8), batch.background)


def test_depth_comes_from_the_teacher(picture_folders, teacher):
    backgrounds, foregrounds = picture_folders
    config = DataConfig(
        backgrounds=str(backgrounds), foregrounds=str(foregrounds), size=48, canvas=96,
        placements=1, depth=str(teacher), depth_input=32,
    )  # fmt: skip
    source = open_source(config, CPU)
    plain = FixedBatches(source, Augmentation(AugmentConfig.none()), size=48, device=CPU, samples=6)
    views = next(iter(plain))
    assert views.depth.shape == (6, 1, 48, 48)
    want = source.read(plain.numbers).depth
    assert torch.allclose(views.depth, torch.nn.functional.avg_pool2d(want, 2))
    assert mean_depth(plain) == pytest.approx(float(want.mean()), rel=1e-4)


def test_from_disk_equals_on_the_fly(tmp_path, data):
    from evafast.assets.loading import AssetConfig
    from evafast.dataset.codec import Codec
    from evafast.generate import generate
    from evafast.writing.config import GenerateConfig

    fg = data.canvas * 150 // 224
    least = (data.canvas * 40 // 224, data.canvas * 50 // 224)
    generate(
        GenerateConfig(
            backgrounds=data.backgrounds, foregrounds=data.foregrounds, out=str(tmp_path / "set"),
            placements=3, depth="none", device="cpu", codec=Codec(image_format="png"), quiet=True,
            assets=AssetConfig(canvas=data.canvas, foreground_size=fg, min_foreground=least),
        )
    )  # fmt: skip
    live = open_source(data, CPU)
    stored = open_source(DataConfig(dataset=str(tmp_path / "set"), validation_share=0.25), CPU)
    for side in ("training", "validation"):
        numbers = getattr(stored, side)[np.arange(len(getattr(stored, side)))]
        batch = stored.read(numbers)
        mine = getattr(live, side)
        assert np.sort(batch.index).tolist() == np.sort(mine[np.arange(len(mine))]).tolist()
        assert torch.equal(batch.image, live.read(batch.index).image)
        assert torch.equal(batch.mask, live.read(batch.index).mask)
        assert torch.equal(batch.background, live.read(batch.index).background)


def test_placement_split_shares_assets_but_no_sample(data):
    source = open_source(replace(data, split="placement"), CPU)
    mine = source.training[np.arange(len(source.training))]
    held = source.validation[np.arange(len(source.validation))]
    assert not set(mine.tolist()) & set(held.tolist())
    assert len(mine) + len(held) == len(source.recipe)


def test_a_missing_teacher_or_data_set_says_so(data, tmp_path):
    with pytest.raises(UsageError):
        open_source(DataConfig(dataset=str(tmp_path)), CPU)
    with pytest.raises(UsageError):
        open_source(replace(data, depth=str(tmp_path / "none.safetensors")), CPU)


def test_compositing_leaves_torchs_threads_alone():
    """Numba's OpenMP layer would set them, and a step would take several times as long."""
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
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
