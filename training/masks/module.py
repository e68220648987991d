"""MaskDepthModule: training and validation steps for Lightning."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from evafast import RunError
from training.masks.augment import Views
from training.masks.config import MaskTrainConfig
from training.masks.losses import compute_losses
from training.masks.model import build
from training.masks.scores import Scores
from training.masks.sheets import sheet
from training.schedule import rate_at

LONGEST_STEP = 10.0
"""Seconds that a step counts at most; a longer one was suspended."""

TIMED_STEPS = 10
"""On a GPU, one step in so many is timed, because the host has to wait for the device."""


class MaskDepthModule(pl.LightningModule):
    """Learns mask and depth as a `MaskTrainConfig` says.

    Parameters
    ----------
    config : dict
        ``MaskTrainConfig.to_dict()``: plain values, so that checkpoints open safely.
    depth_scale : float
        Mean depth of the training split.
    """

    def __init__(self, config: dict[str, Any], depth_scale: float = 1.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.config = MaskTrainConfig.from_dict(config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.model_seed)
            self.model = build(self.config.preset, depth_scale)
        self.model.to(memory_format=torch.channels_last)
        self.scores = Scores()
        self.trained_seconds = 0.0
        self._pace = Pace()
        # In a list, so that Lightning does not store the same weights twice.
        self._network = [torch.compile(self.model) if self.config.compile else self.model]

    def forward(self, background: Tensor, composite: Tensor) -> tuple[Tensor, Tensor]:
        """Return mask logits and depth; see `MaskDepthNet`."""
        layout = torch.channels_last
        return self._network[0](
            background.contiguous(memory_format=layout), composite.contiguous(memory_format=layout)
        )

    # -- training --------------------------------------------------------------------------------

    def training_step(self, views: Views, number: int) -> Tensor:
        """Return the loss."""
        logits, depth = self(views.background, views.composite)
        losses = compute_losses(
            self.config.losses, logits, views.mask, depth, views.depth, self.model.depth_scale
        )
        self.log_dict({f"train/{k}": v.detach() for k, v in losses.items()}, batch_size=len(views))
        self.log("loss", losses["loss"].detach(), prog_bar=True, logger=False)
        return losses["loss"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW, without weight decay on norms and biases."""
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        return torch.optim.AdamW(
            [{"params": decayed}, {"params": others, "weight_decay": 0.0}],
            lr=self.config.rate, weight_decay=self.config.weight_decay,
        )  # fmt: skip

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1: of its minutes if it has any, else of its steps."""
        if self.config.minutes is not None:
            return min(self.trained_seconds / (60 * self.config.minutes), 1.0)
        return min(self.global_step / self.config.steps, 1.0)

    def on_fit_start(self) -> None:
        """Choose how many steps to time."""
        self._pace = Pace(TIMED_STEPS if self.device.type == "cuda" else 1)

    def on_train_epoch_start(self) -> None:
        """Leave out the time between epochs."""
        self._pace.begin()

    def on_train_batch_start(self, views: Views, number: int) -> None:
        """Set the learning rate; note when the batch arrived."""
        self._pace.got_data()
        for group in self.optimizers().param_groups:
            group["lr"] = self.config.rate * rate_at(self.progress)

    def on_train_batch_end(self, outputs: Any, views: Views, number: int) -> None:
        """Note how long the step took; stop when the minutes are over."""
        self.trained_seconds += min(self._pace.stepped(), LONGEST_STEP)
        if self.config.minutes is not None and self.progress >= 1:
            self.trainer.should_stop = True
        self.log_dict(
            {
                "pace/samples_per_second": len(views) / max(self._pace.step_seconds, 1e-9),
                "pace/share_waiting_for_data": self._pace.share_waiting,
                "pace/rate": self.config.rate * rate_at(self.progress),
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the training time, which the learning rate may follow."""
        checkpoint["trained_seconds"] = self.trained_seconds
        checkpoint["share_waiting_for_data"] = self._pace.share_waiting

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the training time."""
        self.trained_seconds = checkpoint["trained_seconds"]

    # -- validation ------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Check the weights.

        Raises
        ------
        RunError
            If they are no longer finite.
        """
        if not all(bool(value.isfinite().all()) for value in self.model.state_dict().values()):
            raise RunError("training: expected finite weights, got NaN; lower --rate")

    def validation_step(self, views: Views, number: int) -> None:
        """Score a batch; draw the first one."""
        logits, depth = self(views.background, views.composite)
        self.scores.update(logits > 0, views.mask, depth, views.depth)
        if number == 0 and self.logger is not None and self.trainer.is_global_zero:
            image = sheet(views, logits.sigmoid(), depth, count=8)
            self.logger.experiment.add_image(
                "validation", image, self.global_step, dataformats="HWC"
            )

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        scores = {f"val/{k}": v for k, v in self.scores.compute().items()}
        self.log_dict(scores, sync_dist=False)
        self.log("val_iou", scores["val/iou"], prog_bar=True, logger=False)
        self.scores.reset()


class Pace:
    """How long steps take, and which share of that is spent waiting for data.

    Parameters
    ----------
    every : int
        Time one step in so many; on a GPU the host waits for the device to do so.
    """

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.waited = self.total = self.step_seconds = 0.0
        self._count = 0
        self._last = self._got = time.perf_counter()

    @property
    def share_waiting(self) -> float:
        """Time spent waiting for data over the whole time of the timed steps, 0..1."""
        return self.waited / self.total if self.total else 0.0

    def begin(self) -> None:
        """Start timing a run of steps."""
        self._last = self._now()

    def got_data(self) -> None:
        """Record that a step's batch has arrived."""
        self._got = self._now()

    def stepped(self) -> float:
        """Record that a step is done; return its seconds, waiting included."""
        now = self._now()
        seconds = now - self._last
        if self._count % self.every == 0:
            self.waited += self._got - self._last
            self.total += seconds
            self.step_seconds = seconds
        self._count += 1
        self._last = self._now()
        return seconds

    def _now(self) -> float:
        if self._count % self.every == 0 and torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()
