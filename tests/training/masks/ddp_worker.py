"""One rank of a two-process run: records which samples it saw and what it learned."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from training.masks.config import MaskTrainConfig
from training.masks.module import MaskDepthModule
from training.masks.train import train

folder = Path(sys.argv[1])
seen: list[int] = []
step = MaskDepthModule.training_step


def recorded(self, views, number):
    seen.extend(views.index.tolist())
    return step(self, views, number)


MaskDepthModule.training_step = recorded
config = MaskTrainConfig.from_dict(json.loads((folder / "config.json").read_text()))
trainer = train(config, folder / "run")
weights = b"".join(p.detach().numpy().tobytes() for p in trainer.lightning_module.parameters())
(folder / f"rank{os.environ['RANK']}.json").write_text(
    json.dumps(
        {
            "seen": seen,
            "weights": hashlib.sha256(weights).hexdigest(),
            "val_iou": float(trainer.callback_metrics["val/iou"]),
        }
    )
)
