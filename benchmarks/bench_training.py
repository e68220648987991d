"""A training step on the fly against the same step from disk, without depth, on the CPU.

Both see the same samples, augmentation, network and batch size. *Network alone* repeats the step on
one batch in memory: what a step costs if data are free.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from benchmarks.harness.race import Contender
from evafast.writing import GenerateConfig, generate

for needed in ("lightning", "kornia"):  # found, not imported: that takes seconds
    if find_spec(needed) is None:
        pytest.skip(f"no {needed}: pip install evafast[train]", allow_module_level=True)

ALONE, LIVE, STORED = "network alone", "on the fly", "from disk"


@pytest.mark.budget(35)
def test_training_step(suite, tmp_path):
    pytest.importorskip("training.masks")
    from training.masks.config import DataConfig, MaskTrainConfig
    from training.masks.data import TrainingStream, open_source
    from training.masks.losses import compute_losses
    from training.masks.model import build

    stored, limit = str(tmp_path / "set"), suite.size(2048, 256)
    generate(GenerateConfig(out=stored, depth="none", limit=limit), bank=suite.inputs.bank)
    batch, steps, device = suite.size(32, 8), suite.size(2, 1), torch.device("cpu")
    endless = MaskTrainConfig(batch_size=batch, steps=10**9, validate_every=10**9)
    torch.manual_seed(0)
    model = build("small").to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def learn(views):
        logits, depth = model(views.background, views.composite)
        losses = compute_losses(
            endless.losses, logits, views.mask, depth, views.depth, model.depth_scale
        )
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()

    def stream(**where):
        config = replace(endless, data=DataConfig(depth="none", split="placement", **where))
        return iter(TrainingStream(config, open_source(config.data, device), device))

    def stepping(batches, *, learning=True):
        def call():
            for _ in range(steps):
                views = next(batches)
                if learning:
                    learn(views)

        return call

    live = stream(**{name: str(path) for name, path in suite.inputs.folders.items()})
    disk, one = stream(dataset=stored), next(live)
    race = suite.race("Training steps without depth", [
        Contender(LIVE, "ours", stepping(live), steps),
        Contender(STORED, "ours", stepping(disk), steps),
        Contender(ALONE, "limit", lambda: [learn(one) for _ in range(steps)], steps),
        Contender("batches alone, on the fly", "stage", stepping(live, learning=False), steps,
                  note="composited and augmented, not trained on"),
        Contender("batches alone, from disk", "stage", stepping(disk, learning=False), steps,
                  note="read, decoded and augmented, not trained on"),
    ], 5)  # fmt: skip
    suite.keep(
        "training", race, unit="steps/s",
        ratios=[
            race.ratio(LIVE, STORED), race.ratio(LIVE, ALONE), race.ratio(STORED, ALONE),
            race.ratio("batches alone, on the fly", "batches alone, from disk"),
        ],
        parameters={**suite.inputs.described, "batch": batch, "size": endless.data.size,
                    "preset": "small", "threads": torch.get_num_threads()},
    )  # fmt: skip
