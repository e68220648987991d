"""``python -m training.masks.train``: train on the fly; without arguments on the built-in pack."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from evafast import UsageError
from evafast.compositing import choose_backend
from evafast.depth.precision import cpu_computes_bf16
from evafast.errors import quoted
from evafast.system.console import Console, OneLineParser, run_command, set_up_logging
from training.masks.augment import Augmentation
from training.masks.checkpoint import open_checkpoint
from training.masks.config import AugmentConfig, DataConfig, LossConfig, TrainConfig
from training.masks.data import (
    AVERAGED_SAMPLES,
    FixedBatches,
    Source,
    TrainingStream,
    mean_depth,
    open_source,
)
from training.masks.model import parameter_count
from training.masks.module import MaskDepthModule
from training.masks.pictures import sheet
from training.masks.progress import Lines

CONFIG, LAST, BEST = "config.json", "last.ckpt", "best.ckpt"


def train(
    config: TrainConfig, out: Path, *, resume: bool = False, console: Console | None = None
) -> pl.Trainer:
    """Train, or go on with a run.

    Parameters
    ----------
    config : TrainConfig
    out : Path
        Run folder: new or empty, or with `resume` one with a ``last.ckpt``.
    resume : bool
    console : Console, optional
        Quiet when left out.

    Returns
    -------
    lightning.pytorch.Trainer
        After fitting; its ``callback_metrics`` hold the last scores.

    Raises
    ------
    UsageError
        When the folder is not as expected, or the data cannot be used.
    RunError
        When the weights become NaN.
    """
    console = console or Console(quiet=True)
    rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if rank == 0:
        claim(out, config, resume=resume)
    device = device_of(config.device)
    trainer = _trainer(config, out, device, console)
    console.say(f"data: {describe(config.data)}")
    source = open_source(config.data, device)
    console.say(
        f"{len(source.training):,} samples to train on, {len(source.validation):,} held out by "
        f"{config.data.split}; device {device}, {trainer.precision}, {world_size} ranks"
    )
    training, validation = streams(config, source, device, rank, world_size)
    if resume:
        module = MaskDepthModule.load_from_checkpoint(
            out / LAST, map_location="cpu", config=config.to_dict()
        )
    else:
        plain = fixed_batches(config, source, device, "training", AVERAGED_SAMPLES, plain=True)
        module = MaskDepthModule(config.to_dict(), mean_depth(plain))
        if config.init is not None:
            start_from(module, Path(config.init))
        if rank == 0:
            Image.fromarray(sheet(training.views(0))).save(out / "augmented.jpg", quality=90)
    console.say(f"{config.preset}: {parameter_count(module.model):,} parameters; run in {out}")
    trainer.fit(module, training, validation, ckpt_path=str(out / LAST) if resume else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return trainer


def claim(out: Path, config: TrainConfig, *, resume: bool) -> None:
    """Make the run folder and write its config, or check that there is a run to go on with.

    Raises
    ------
    UsageError
        When the folder holds anything, or with `resume` has no checkpoint.
    """
    if resume:
        if not (out / LAST).is_file():
            raise UsageError(f"resume: expected {LAST} in {quoted(out)}, got none; start a new run")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"out: expected a new or empty folder, got {quoted(out)}; choose another, or go on with "
            f"--resume {out}"
        )
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config.to_dict(), indent=2)
    (out / CONFIG).write_text(text + "\n", encoding="utf-8")


def start_from(module: MaskDepthModule, path: Path) -> None:
    """Give a fresh module a checkpoint's weights; the depth's unit stays its own.

    Raises
    ------
    UsageError
        When the checkpoint is of another preset.
    """
    checkpoint = open_checkpoint(path)
    if checkpoint.config.preset != module.config.preset:
        raise UsageError(
            f"init: expected preset {module.config.preset}, got {checkpoint.config.preset} in "
            f"{quoted(path)}; give --preset {checkpoint.config.preset}"
        )
    weights = checkpoint.model.state_dict() | {"depth_scale": module.model.depth_scale}
    module.model.load_state_dict(weights)


def device_of(name: str) -> torch.device:
    """Return the device to train on; under torchrun each rank's own GPU."""
    device = choose_backend("auto", name).device
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device


def streams(
    config: TrainConfig, source: Source, device: torch.device, rank: int = 0, world_size: int = 1
) -> tuple[TrainingStream, FixedBatches]:
    """Return the training and validation batches of a rank."""
    training = TrainingStream(
        source, Augmentation(config.augment), size=config.data.size, device=device,
        batch_size=config.batch_size, steps=min(config.validate_every, config.steps),
        seed=config.data.seed, rank=rank, world_size=world_size,
    )  # fmt: skip
    validation = fixed_batches(
        config, source, device, "validation", config.validation_samples, rank=rank,
        world_size=world_size,
    )  # fmt: skip
    return training, validation


def fixed_batches(
    config: TrainConfig, source: Source, device: torch.device, side: str, samples: int, *,
    plain: bool = False, seed: int | None = None, rank: int = 0, world_size: int = 1,
) -> FixedBatches:  # fmt: skip
    """Return fixed batches of a side, augmented as in training, or `plain`."""
    return FixedBatches(
        source, Augmentation(AugmentConfig.none() if plain else config.augment),
        size=config.data.size, device=device, side=side, samples=samples,
        batch_size=config.batch_size, seed=config.data.seed if seed is None else seed,
        rank=rank, world_size=world_size,
    )  # fmt: skip


def describe(data: DataConfig) -> str:
    """Return in one line where the samples come from."""
    if data.dataset is not None:
        return f"from disk, {quoted(data.dataset)}"
    where = "the built-in pack" if data.backgrounds is None else quoted(data.backgrounds)
    return f"on the fly from {where}, depth {data.depth}"


def _trainer(config: TrainConfig, out: Path, device: torch.device, console: Console) -> pl.Trainer:
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    best = ModelCheckpoint(
        dirpath=out, filename=Path(BEST).stem, monitor="val/iou", mode="max",
        enable_version_counter=False,
    )  # fmt: skip
    # Its own callback: Lightning's save_last skips validations that were not the best.
    last = ModelCheckpoint(dirpath=out, filename=Path(LAST).stem, enable_version_counter=False)
    callbacks: list[pl.Callback] = [best, last]
    if not sys.stderr.isatty():
        callbacks.append(Lines(console))
    if config.patience:
        callbacks.append(EarlyStopping("val/iou", mode="max", patience=config.patience))
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", ranks))
    epochs = -(-config.steps // min(config.validate_every, config.steps))
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=local if ranks > 1 or device.type == "cpu" else [device.index or 0],
        num_nodes=max(ranks // local, 1),
        # Without a teacher the depth decoder gets no gradients, which DDP must be told to expect.
        strategy="ddp_find_unused_parameters_true" if ranks > 1 else "auto",
        precision="bf16-mixed" if computes_bf16(config.precision, device) else "32-true",
        max_epochs=-1 if config.minutes is not None else epochs,
        callbacks=callbacks,
        logger=TensorBoardLogger(str(out), name="", version=""),
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_progress_bar=sys.stderr.isatty() and not console.quiet,
        enable_model_summary=False,
    )


def computes_bf16(precision: str, device: torch.device) -> bool:
    """Tell whether to compute in bfloat16; auto does where the device has it in hardware."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        return cpu_computes_bf16()
    return torch.cuda.is_bf16_supported(including_emulation=False)


# -- the command ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        given = _parser().parse_args(arguments)
        set_up_logging(quiet=given.quiet)
        console = Console(quiet=given.quiet or int(os.environ.get("RANK", 0)) > 0)
        if given.resume is not None:
            out, config = given.resume, read_config(given.resume)
        else:
            out, config = given.out or next_run(Path("lightning_logs")), config_of(given)
        if given.resume is not None and given.minutes is not None:
            config = replace(config, minutes=given.minutes)
        try:
            train(config, out, resume=given.resume is not None, console=console)
        except SystemExit:  # Lightning's answer to Ctrl-C
            raise KeyboardInterrupt from None
        console.say(f"done: {out / BEST}; next: python -m training.masks.evaluate {out / BEST}")

    return run_command(command)


def next_run(root: Path) -> Path:
    """Return the first of ``root/001``, ``root/002``, ... that is not there."""
    number = 1
    while (root / f"{number:03d}").exists():
        number += 1
    return root / f"{number:03d}"


def read_config(run: Path) -> TrainConfig:
    """Return the config of a run folder.

    Raises
    ------
    UsageError
        When it has none.
    """
    try:
        return TrainConfig.from_dict(json.loads((run / CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"resume: expected a run folder with {CONFIG}, got {quoted(run)} ({error}); name one"
        ) from None


def config_of(given: argparse.Namespace) -> TrainConfig:
    """Return the config that the arguments fill."""
    names = vars(given)

    def chosen(kind: type) -> dict[str, object]:
        return {k: names[k] for k in kind.__dataclass_fields__ if names.get(k) is not None}  # type: ignore[attr-defined]

    losses = LossConfig.parsed(given.losses) if given.losses else LossConfig()
    augment = AugmentConfig.none() if given.no_augment else AugmentConfig()
    known = {k: v for k, v in chosen(TrainConfig).items() if k != "losses"}
    return TrainConfig(
        **known,
        data=DataConfig(**chosen(DataConfig)),
        losses=losses,
        augment=augment,  # type: ignore[arg-type]
    )


def command_of(config: TrainConfig) -> str:
    """Return the command that asks for a config: `config_of` the other way round."""
    words = ["python -m training.masks.train"]
    for given, usual in ((config, TrainConfig()), (config.data, DataConfig())):
        for name in given.__dataclass_fields__:
            value = getattr(given, name)
            if value == getattr(usual, name) or name in ("data", "augment", "losses", "model_seed"):
                continue
            flag = "--" + name.replace("_", "-")
            words.append(flag if value is True else f"{flag} {shlex.quote(str(value))}")
    if config.losses != LossConfig():
        weights = {name: weight for name, weight in asdict(config.losses).items() if weight}
        words.append("--losses " + ",".join(f"{n}={w:g}" for n, w in weights.items()))
    if config.augment != AugmentConfig():
        words.append("--no-augment")
    return " ".join(words)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m training.masks.train",
        description="Train mask and depth from (background, composite), composited on the fly.",
    )
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", help="new run folder (default: lightning_logs/NNN)")
    add("--resume", type=Path, metavar="DIR", help="go on with the run in this folder")
    add("--backgrounds", metavar="DIR", help="default: the built-in pack")
    add("--foregrounds", metavar="DIR")
    add("--dataset", metavar="DIR", help="read this data set instead of compositing on the fly")
    add("--size", type=int, help="side the network sees (112)")
    add("--canvas", type=int, help="side of the composites, shrunk to the size (224)")
    add("--placements", type=int, help="per pair (20)")
    add("--seed", type=int, help="of samples, split and order (0)")
    add("--split", help="asset (default) or placement")
    add("--validation-share", type=float, help="held out (0.2)")
    add("--depth", help="teacher: compact (default), nyu, kitti, FILE, hf:ID or none")
    add("--depth-input", type=int, help="side the teacher sees (224)")
    add("--preset", help="small (default), full or tiny")
    add("--init", metavar="CHECKPOINT", help="start from its weights")
    add("--device", help="auto (default), cpu, cuda or cuda:N")
    add("--precision", help="auto (default), fp32 or bf16")
    add("--compile", action="store_true", help="torch.compile the network")
    add("--batch-size", type=int, help="on each rank (32)")
    add("--steps", type=int, help="in all (1000)")
    add("--minutes", type=float, help="train that long instead")
    add("--validate-every", type=int, help="steps (100)")
    add("--validation-samples", type=int, help="(256)")
    add("--patience", type=int, help="validations without gain before stopping; 0 (default) never")
    add("--rate", type=float, help="peak learning rate (0.003)")
    add("--losses", metavar="NAME=WEIGHT,...", help="bce, dice, l1, rmse, ssim, gradient")
    add("--no-augment", action="store_true", help="the composites as they are")
    add("--quiet", action="store_true", help="no progress")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
