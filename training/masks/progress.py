"""What a run says where no bar can move: a line at each validation."""

from __future__ import annotations

import lightning.pytorch as pl

from evafast.system.console import Console, duration

SHOWN = ("iou", "boundary_f", "rmse", "delta1")


class Lines(pl.Callback):
    """Says step, scores, pace and the share of time spent waiting for data.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say a line."""
        found = trainer.callback_metrics
        scores = [f"{n} {found[f'val/{n}']:.4f}" for n in SHOWN if f"val/{n}" in found]
        if "pace/samples_per_second" in found:
            scores.append(f"{found['pace/samples_per_second']:.0f} samples/s")
            scores.append(f"{found['pace/share_waiting_for_data']:.1%} waiting for data")
        self.console.say(
            f"step {trainer.global_step:,} ({module.progress:.0%}, "
            f"{duration(module.trained_seconds)}): " + ", ".join(scores)
        )
