"""``python -m training.masks.train``: train on the fly; without options, on the built-in pack."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.cli import parse
from evafast.system.console import Console, duration, run_command, set_up_logging
from training.masks.augment import AugmentConfig
from training.masks.checkpoint import open_checkpoint
from training.masks.config import DataConfig, MaskTrainConfig
from training.masks.data import (
    AVERAGED_SAMPLES,
    FixedBatches,
    TrainingStream,
    mean_depth,
    open_source,
    training_device,
)
from training.masks.model import parameter_count
from training.masks.module import MaskDepthModule
from training.masks.sheets import sheet
from training.precision import computes_bf16

PROG = "python -m training.masks.train"
CONFIG, LAST, BEST = "config.json", "last.ckpt", "best.ckpt"


def train(
    config: MaskTrainConfig, out: Path, *, resume: bool = False, console: Console | None = None
) -> pl.Trainer:
    """Train, or resume a run.

    Parameters
    ----------
    config : MaskTrainConfig
    out : Path
        Run folder: new or empty, or with `resume` one that has a ``last.ckpt``.
    resume : bool
    console : Console, optional
        Quiet by default.

    Returns
    -------
    lightning.pytorch.Trainer
        After fitting; its ``callback_metrics`` hold the last scores.

    Raises
    ------
    UsageError
        If the folder is not as expected, or the data cannot be used.
    RunError
        If the weights become NaN.
    """
    console = console or Console(quiet=True)
    rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if rank == 0:
        prepare_folder(out, config, resume=resume)
    device = training_device(config.device)
    trainer = _trainer(config, out, device, console)
    console.say(f"data: {describe(config.data)}")
    source = open_source(config.data, device)
    console.say(
        f"{len(source.training):,} samples to train on, {len(source.validation):,} held out by "
        f"{config.data.split}; device {device}, {trainer.precision}, {world_size} ranks"
    )
    training = TrainingStream(config, source, device, rank=rank, world_size=world_size)
    validation = FixedBatches(config, source, device, rank=rank, world_size=world_size)
    if resume:
        module = MaskDepthModule.load_from_checkpoint(
            out / LAST, map_location="cpu", config=config.to_dict()
        )
    else:
        plain = FixedBatches(
            config, source, device, side="training", samples=AVERAGED_SAMPLES, plain=True
        )
        module = MaskDepthModule(config.to_dict(), mean_depth(plain))
        if config.init is not None:
            load_weights(module, Path(config.init))
        if rank == 0:
            Image.fromarray(sheet(training.views(0))).save(out / "augmented.jpg", quality=90)
    console.say(f"{config.preset}: {parameter_count(module.model):,} parameters; run in {out}")
    trainer.fit(module, training, validation, ckpt_path=str(out / LAST) if resume else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return trainer


def prepare_folder(out: Path, config: MaskTrainConfig, *, resume: bool) -> None:
    """Make the run folder and write its config, or check that there is a run to resume.

    Raises
    ------
    UsageError
        If the folder is not empty, or with `resume` has no checkpoint.
    """
    if resume:
        if not (out / LAST).is_file():
            raise UsageError(f"resume: expected {LAST} in {quoted(out)}, got none; start a new run")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"out: expected a new or empty folder, got {quoted(out)}; choose another, or add "
            f"--resume {out}"
        )
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config.to_dict(), indent=2)
    (out / CONFIG).write_text(text + "\n", encoding="utf-8")


def load_weights(module: MaskDepthModule, path: Path) -> None:
    """Load a checkpoint's weights into a new module, which keeps its own unit of depth.

    Raises
    ------
    UsageError
        If the checkpoint is of another preset.
    """
    checkpoint = open_checkpoint(path)
    if checkpoint.config.preset != module.config.preset:
        raise UsageError(
            f"init: expected preset {module.config.preset}, got {checkpoint.config.preset} in "
            f"{quoted(path)}; give --preset {checkpoint.config.preset}"
        )
    weights = checkpoint.model.state_dict() | {"depth_scale": module.model.depth_scale}
    module.model.load_state_dict(weights)


def describe(data: DataConfig) -> str:
    """Return one line on where the samples come from."""
    if data.dataset is not None:
        return f"from disk, {quoted(data.dataset)}"
    where = "the built-in pack" if data.backgrounds is None else quoted(data.backgrounds)
    return f"on the fly from {where}, depth {data.depth}"


def _trainer(
    config: MaskTrainConfig, out: Path, device: torch.device, console: Console
) -> pl.Trainer:
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    best = ModelCheckpoint(
        dirpath=out, filename=Path(BEST).stem, monitor="val/iou", mode="max",
        enable_version_counter=False,
    )  # fmt: skip
    # A callback of its own, because Lightning's save_last skips validations that were not the best.
    last = ModelCheckpoint(dirpath=out, filename=Path(LAST).stem, enable_version_counter=False)
    callbacks: list[pl.Callback] = [best, last]
    bar = sys.stderr.isatty() and not console.quiet
    if not bar:
        callbacks.append(
            LambdaCallback(on_validation_end=lambda *state: console.say(_status(*state)))
        )
    if config.patience:
        callbacks.append(EarlyStopping("val/iou", mode="max", patience=config.patience))
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", ranks))
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=local if ranks > 1 or device.type == "cpu" else [device.index or 0],
        num_nodes=max(ranks // local, 1),
        # Without a teacher the depth decoder gets no gradients.
        strategy="ddp_find_unused_parameters_true" if ranks > 1 else "auto",
        precision="bf16-mixed" if computes_bf16(config.precision, device) else "32-true",
        max_epochs=-1 if config.minutes is not None else -(-config.steps // config.epoch_steps),
        callbacks=callbacks,
        logger=TensorBoardLogger(str(out), name="", version=""),
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_progress_bar=bar,
        enable_model_summary=False,
    )


def _status(trainer: pl.Trainer, module: pl.LightningModule) -> str:
    """Return one line on a run after a validation, for logs."""
    found = trainer.callback_metrics
    shown = [f"{n} {found[f'val/{n}']:.4f}" for n in ("iou", "boundary_f", "rmse", "delta1")
             if f"val/{n}" in found]  # fmt: skip
    if "pace/samples_per_second" in found:
        shown.append(f"{found['pace/samples_per_second']:.0f} samples/s")
        shown.append(f"{found['pace/share_waiting_for_data']:.1%} waiting for data")
    done = f"{module.progress:.0%}, {duration(module.trained_seconds)}"
    return f"step {trainer.global_step:,} ({done}): {', '.join(shown)}"


# -- the command ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    out : Path or None
        New run folder (default: lightning_logs/NNN).
    resume : Path or None
        Resume the run in this folder, with its options; --minutes may be raised.
    no_augment : bool
        Train on the composites as they are.
    quiet : bool
        Print errors only.
    config : MaskTrainConfig
    """

    out: Path | None = None
    resume: Path | None = None
    no_augment: bool = False
    quiet: bool = False
    config: MaskTrainConfig = field(default_factory=MaskTrainConfig)


def options_from(arguments: Sequence[str] | None = None) -> Options:
    """Return the options that command line arguments describe."""
    options: Options = parse(
        Options, arguments, prog=PROG,
        description="Train mask and depth from (background, composite), composited on the fly.",
    )  # fmt: skip
    if options.no_augment:
        return replace(options, config=replace(options.config, augment=AugmentConfig.none()))
    return options


def command_of(config: MaskTrainConfig) -> str:
    """Return the command that describes a config: the inverse of `options_from`."""
    words = [PROG]
    for given, default in ((config, MaskTrainConfig()), (config.data, DataConfig())):
        for name in (f.name for f in fields(given)):
            value = getattr(given, name)
            if value == getattr(default, name) or isinstance(value, DataConfig):
                continue
            flag = "--" + name.replace("_", "-")
            if isinstance(value, AugmentConfig):
                words.append(f"{flag} {','.join(value.steps)}" if value.steps else "--no-augment")
            else:
                words.append(flag if value is True else f"{flag} {shlex.quote(str(value))}")
    return " ".join(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options = options_from(arguments)
        set_up_logging(quiet=options.quiet)
        console = Console(quiet=options.quiet or int(os.environ.get("RANK", 0)) > 0)
        if options.resume is not None:
            out, config = options.resume, read_config(options.resume)
            if options.config.minutes is not None:
                config = replace(config, minutes=options.config.minutes)
        else:
            out, config = options.out or next_run(Path("lightning_logs")), options.config
        try:
            train(config, out, resume=options.resume is not None, console=console)
        except SystemExit:  # how Lightning ends on Ctrl-C
            raise KeyboardInterrupt from None
        console.say(f"done: {out / BEST}; next: python -m training.masks.evaluate {out / BEST}")

    return run_command(command)


def next_run(root: Path) -> Path:
    """Return the first of ``root/001``, ``root/002``, ... that does not exist."""
    number = 1
    while (root / f"{number:03d}").exists():
        number += 1
    return root / f"{number:03d}"


def read_config(run: Path) -> MaskTrainConfig:
    """Return the config of a run folder.

    Raises
    ------
    UsageError
        If it has none.
    """
    try:
        return MaskTrainConfig.from_dict(json.loads((run / CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"resume: expected a run folder with {CONFIG}, got {quoted(run)} ({error}); give one"
        ) from None


if __name__ == "__main__":
    raise SystemExit(main())
