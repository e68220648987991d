"""Trainer: DenseDepth learns ``y = 1000 / depth``, with checkpoints that resume bit for bit."""

from __future__ import annotations

import math
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.nn import functional

from evafast.depth import DenseDepth, DenseDepthConfig, load_weights
from evafast.errors import RunError, UsageError
from evafast.system.console import Console, duration
from training.depth.data import Source, batch
from training.losses import ssim_loss
from training.precision import computes_bf16
from training.schedule import rate_at

NETWORKS = {
    # Few channels where there are many pixels: 150 images per second and more on two cores.
    "compact": DenseDepthConfig(
        blocks=(2, 4, 8, 8), growth=32, stem=16, bottleneck=2, decoder_width=256,
        inner_activation=True, align_corners=False,
    ),
    "169": DenseDepthConfig(),
    "201": DenseDepthConfig(blocks=(6, 12, 48, 32)),
}  # fmt: skip
COMPACT = {"rate": 2e-3, "relative": 1.5, "small": 0.75, "swap": 0.25}
OTHERS = {"rate": 1e-4, "relative": 0.0, "small": 0.0, "swap": 0.5}
CHECKPOINT = "checkpoint.pt"
LOG_EVERY, SAVE_EVERY = 50, 200  # steps


@dataclass(frozen=True, kw_only=True)
class DepthTrainConfig:
    """Everything a run depends on besides its data.

    Attributes
    ----------
    network : str
        compact (the built-in network), 169 (the original's, 42.7 million parameters) or 201.
    steps : int
        Optimizer steps in all.
    batch_size : int
        Samples per step.
    rate : float or None
        Peak learning rate (default: 2e-3 for compact, 1e-4 for the others).
    relative : float or None
        Weight of L1 on log y; 0 is DenseDepth's own loss (default: 1.5 for compact, otherwise 0).
    small : float or None
        Share of the run, from the start, that sees smaller images, at a third of the cost
        (default: 0.75 for compact, otherwise 0).
    small_side : int
        Side of the smaller images in pixels, a multiple of 32.
    swap : float or None
        Probability that an image's channels are permuted (default: 0.25 for compact, otherwise
        0.5).
    seed : int
        Of weights, order and augmentation.

    Raises
    ------
    UsageError
        If an option is out of range.
    """

    network: Annotated[str, tyro.conf.arg(name="config")] = "compact"
    steps: int = 6000
    batch_size: int = 8
    rate: float | None = None
    relative: float | None = None
    small: float | None = None
    small_side: int = 128
    swap: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UsageError(
                f"config: expected {', '.join(NETWORKS)}, got {self.network!r}; choose one"
            )
        for name, value in (COMPACT if self.network == "compact" else OTHERS).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"{name}: expected at least 1, got {getattr(self, name)}; raise it"
                )
        if not 0 < self.rate < 1:
            raise UsageError(f"rate: expected between 0 and 1, got {self.rate:g}; try 1e-4")
        if self.small_side < 32 or self.small_side % 32:
            raise UsageError(
                f"small_side: expected a multiple of 32, got {self.small_side}; give 128"
            )


def depth_loss(y: Tensor, truth: Tensor, relative: float = 0.0) -> Tensor:
    """Return DenseDepth's loss (arXiv 1812.11941), and L1 of ``log y``.

    DenseDepth's own is a tenth of L1, L1 of the image gradients, and structural dissimilarity over
    a range of 100.

    Parameters
    ----------
    y, truth : Tensor of float32, (n, 1, h, w)
        Predicted and true ``y``.
    relative : float
        Weight of L1 on ``log y``: far away it is the relative error that counts.
    """
    error = y - truth
    across = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    loss = 0.1 * error.abs().mean() + across + down + ssim_loss(y, truth, data_range=100.0)
    if relative:
        loss = loss + relative * (y.clamp(min=0.3).log() - truth.log()).abs().mean()
    return loss


def new_network(config: DepthTrainConfig, init: Path | None) -> DenseDepth:
    """Return a new network, whose output starts at a typical ``y``, or that of a weights file."""
    torch.manual_seed(config.seed)
    if init is not None:
        return load_weights(init).model
    model = DenseDepth(NETWORKS[config.network])
    torch.nn.init.constant_(model.decoder.conv3.bias, 3.0)
    return model


def step_batch(
    source: Source, config: DepthTrainConfig, step: int, small: bool
) -> tuple[Tensor, Tensor]:
    """Return a step's images (n, 3, s, s), 0..1, and targets (n, 1, s/2, s/2)."""
    rng = np.random.default_rng([config.seed, step])
    indices = rng.integers(len(source), size=config.batch_size)
    rgb, y = batch(source, indices, config.seed * 1_000_003 + step, swap=config.swap)
    images = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    targets = torch.from_numpy(y)[:, None]
    if small:
        side = config.small_side
        images = functional.interpolate(images, (side, side), mode="area")
        targets = functional.interpolate(targets, (side // 2, side // 2), mode="nearest")
    return images.contiguous(memory_format=torch.channels_last), targets


class Trainer:
    """A run: network, optimizer, and how far it is.

    Parameters
    ----------
    config : DepthTrainConfig
    out : Path
        Folder of the checkpoint.
    device : torch.device
    init : Path, optional
        Weights to start from.
    limit : float, optional
        Seconds of work after which to end, if the steps are not done before. Time during which the
        process is suspended is not work.
    console : Console, optional
        Quiet by default.

    Attributes
    ----------
    model : DenseDepth
    history : list of dict
        ``step`` and mean ``loss`` every 50 steps.
    """

    def __init__(
        self,
        config: DepthTrainConfig,
        out: Path,
        device: torch.device,
        *,
        init: Path | None = None,
        limit: float | None = None,
        console: Console | None = None,
    ) -> None:
        self.config, self.device, self.limit = config, device, limit
        self.console = console or Console(quiet=True)
        self.model = new_network(config, init).to(device, memory_format=torch.channels_last)
        self.history: list[dict[str, float]] = []
        self._adam = torch.optim.Adam(self.model.parameters(), lr=config.rate, amsgrad=True)
        self._mixed = computes_bf16("auto", device)
        self._checkpoint = out / CHECKPOINT
        self._step, self._worked, self._usual = 0, 0.0, 0.0

    def progress(self, step: int) -> float:
        """Return the share of the run that is done at a step, 0..1."""
        return max(step / self.config.steps, self._worked / self.limit if self.limit else 0.0)

    def resume(self) -> None:
        """Load the checkpoint, if there is one.

        Raises
        ------
        UsageError
            If it is of a run with other options.
        """
        if not self._checkpoint.exists():
            return
        state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        if state["config"] != asdict(self.config):
            raise UsageError(
                "resume: expected the options of the stored run, got others; repeat them"
            )
        self.model.load_state_dict(state["model"])
        self._adam.load_state_dict(state["adam"])
        self._step, self.history, self._worked = state["step"], state["history"], state["worked"]
        self.console.say(f"resuming at step {self._step:,}")

    def save(self) -> None:
        """Write everything that `resume` needs, atomically."""
        part = self._checkpoint.with_suffix(".part")
        state = {
            "model": self.model.state_dict(), "adam": self._adam.state_dict(),
            "config": asdict(self.config), "step": self._step, "history": self.history,
            "worked": self._worked,
        }  # fmt: skip
        torch.save(state, part)
        part.replace(self._checkpoint)

    def run(self, source: Source) -> DenseDepth:
        """Train to the end and return the network, in evaluation mode.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C or SIGTERM, once the checkpoint is written.
        RunError
            If the loss is no longer finite.
        """
        interrupts: list[int] = []
        handlers = {
            number: signal.signal(number, lambda number, frame: interrupts.append(number))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._run(source, interrupts)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.model.eval()

    def _run(self, source: Source, interrupts: list[int]) -> None:
        config, losses, seconds = self.config, [], 0.0
        self.model.train()
        with ThreadPoolExecutor(1) as thread:

            def prefetch(step: int) -> Any:
                return thread.submit(
                    step_batch, source, config, step, self.progress(step) < config.small
                )

            coming = prefetch(self._step)
            done = self._step >= config.steps
            while not done:
                began = time.monotonic()
                images, targets = coming.result()
                coming = prefetch(self._step + 1)
                losses.append(self._learn(images, targets))
                seconds += self._count(time.monotonic() - began)
                self._step += 1
                done = self.progress(self._step) >= 1
                if self._step % LOG_EVERY == 0 or done or interrupts:
                    self._log(float(torch.stack(losses).mean()), len(losses) / seconds)
                    losses, seconds = [], 0.0
                if self._step % SAVE_EVERY == 0 or done or interrupts:
                    self.save()
                    source.refresh()
                if interrupts:
                    self.console.say("checkpoint written; the same command with --resume resumes")
                    raise KeyboardInterrupt

    def _learn(self, images: Tensor, targets: Tensor) -> Tensor:
        rate = self.config.rate * rate_at(
            self.progress(self._step), warm_up=0.03, start=0.02, end=0.01
        )
        for group in self._adam.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed):
            y = self.model(images.to(self.device))
        loss = depth_loss(y.float(), targets.to(self.device), self.config.relative)
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self._adam.step()
        return loss.detach()

    def _count(self, seconds: float) -> float:
        """Count a step's seconds as work and return them; a suspended step counts as a long one."""
        usual = self._usual or seconds
        self._usual = 0.95 * usual + 0.05 * min(seconds, 4 * usual)
        seconds = min(seconds, 6 * self._usual)
        self._worked += seconds
        return seconds

    def _log(self, loss: float, steps_per_second: float) -> None:
        if not math.isfinite(loss):
            raise RunError(
                f"loss at step {self._step}: expected a number, got {loss}; lower --rate"
            )
        self.history.append({"step": self._step, "loss": round(loss, 5)})
        left = self._worked * (1 / self.progress(self._step) - 1)
        self.console.say(
            f"step {self._step:,} of {self.config.steps:,}: loss {loss:.4f}, "
            f"{self.config.batch_size * steps_per_second:.1f} images/s, "
            f"{duration(max(left, 0))} left"
        )
