"""A training step on the fly against the same step from disk, without depth, on the CPU.

Both see the same samples, augmentation, network and batch size; *network alone* repeats the step on
one batch that lies in memory, which is what a step could cost if data were free.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest
import torch

import evafast.generate
from benchmarks.inputs import described
from benchmarks.race import Contender, Race
from evafast.assets.loading import LoadedAssets
from evafast.writing.config import GenerateConfig

for needed in ("lightning", "kornia"):  # looked for, not loaded: they take seconds
    if find_spec(needed) is None:
        pytest.skip(f"no {needed}: pip install evafast[train]", allow_module_level=True)
config = pytest.importorskip("training.config", reason="there is no training/ in this checkout")

ALONE, LIVE, STORED = "network alone", "on the fly", "from disk"


@pytest.fixture
def stored(bank, pictures, scale, monkeypatch, tmp_path):
    """Return the folder of a data set of the same pictures."""
    with monkeypatch.context() as patch:
        patch.setattr(evafast.generate, "_load_assets", lambda config: LoadedAssets(bank))
        evafast.generate.generate(
            GenerateConfig(out=str(tmp_path / "set"), depth="none", limit=scale(2048, 256))
        )
    yield tmp_path / "set"
    shutil.rmtree(tmp_path / "set")


def test_training_step(benchmark, bank, pictures, stored, scale, keep_race):
    from training.augment import Augmentation
    from training.data import TrainingStream, open_source
    from training.losses import losses_of
    from training.model import build

    batch, steps, device = scale(32, 8), scale(2, 1), torch.device("cpu")
    torch.manual_seed(0)
    model = build("small", 1.0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    weights = config.LossConfig()
    settings = {"depth": "none", "split": "placement"}

    def learn(views):
        logits, depth = model(views.background, views.composite)
        loss = losses_of(weights, logits, views.mask, depth, views.depth, model.depth_scale)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def stream(**more):
        source = open_source(config.DataConfig(**settings, **more), device)
        size = config.DataConfig().size
        return TrainingStream(
            source, Augmentation(config.AugmentConfig()), size=size, device=device,
            batch_size=batch, steps=10**9,
        )  # fmt: skip

    def stepping(source, *, learning=True):
        batches = iter(source)

        def call():
            for _ in range(steps):
                views = next(batches)
                if learning:
                    learn(views)

        return call

    folders = {}
    if pictures.backgrounds is not None:
        folders = {
            "backgrounds": str(pictures.backgrounds), "foregrounds": str(pictures.foregrounds)
        }  # fmt: skip
    live, disk = stream(**folders), stream(dataset=str(stored))
    one = next(iter(live))
    race = Race([
        Contender(LIVE, "ours", stepping(live), steps),
        Contender(STORED, "ours", stepping(disk), steps),
        Contender(ALONE, "limit", lambda: [learn(one) for _ in range(steps)], steps),
        Contender("batches alone, on the fly", "stage", stepping(live, learning=False), steps,
                  note="composited and augmented, not learnt from"),
        Contender("batches alone, from disk", "stage", stepping(disk, learning=False), steps,
                  note="read, decoded and augmented, not learnt from"),
    ])  # fmt: skip
    race.run(benchmark, scale(5, 1), patience=2)
    keep_race(
        "training", race, title="Training steps without depth", unit="steps/s",
        ratios=[
            race.ratio(LIVE, STORED), race.ratio(LIVE, ALONE), race.ratio(STORED, ALONE),
            race.ratio("batches alone, on the fly", "batches alone, from disk"),
        ],
        parameters={**described(pictures), "batch": batch, "size": config.DataConfig().size,
                    "preset": "small", "threads": torch.get_num_threads()},
    )  # fmt: skip
