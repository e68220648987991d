"""``python -m training.masks.evaluate CHECKPOINT``: score it and baselines on the same samples."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from PIL import Image

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.cli import parse
from evafast.system.console import Console, run_command, set_up_logging
from training.masks.augment import Views
from training.masks.baselines import Baselines, as_floats
from training.masks.checkpoint import Checkpoint, open_checkpoint
from training.masks.data import AVERAGED_SAMPLES, FixedBatches, Source, open_source, training_device
from training.masks.model import parameter_count
from training.masks.scores import Scores
from training.masks.sheets import sheet
from training.masks.train import command_of

PROG = "python -m training.masks.evaluate"
COLUMNS = ("iou", "dice", "boundary_f", "iou_pooled", "rmse", "delta1", "delta2", "delta3")


@torch.no_grad()
def network_scores(checkpoint: Checkpoint, batches: Iterable[Views]) -> dict[str, float]:
    """Return the network's scores, computed in float32."""
    scores = Scores()
    for views in batches:
        logits, depth = checkpoint.model(views.background, views.composite)
        scores.to(logits.device).update(logits > 0, views.mask, depth, views.depth)
    return as_floats(scores.compute())


def evaluate(
    checkpoint: Checkpoint, source: Source, device: torch.device, *, samples: int = 1024,
    seed: int = 1, side: str = "validation", plain: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Score a network and the baselines on the same samples.

    Parameters
    ----------
    checkpoint : Checkpoint
    source : Source
        Of the checkpoint's ``config.data``.
    device : torch.device
    samples : int
    seed : int
        Of the choice of samples and their augmentation; validation during training has another.
    side : {'validation', 'training'}
    plain : bool
        Whether to leave out the augmentation.

    Returns
    -------
    dict
        JSON values: ``scores`` by predictor, and what they were measured on.
    """
    config = checkpoint.config

    def batches(side: str, samples: int) -> Iterable[Views]:
        return FixedBatches(
            config, source, device, side=side, samples=samples, plain=plain, seed=seed
        )

    baselines = Baselines.fit(batches("training", AVERAGED_SAMPLES))
    scores = {config.preset: network_scores(checkpoint, batches(side, samples))}
    scores |= baselines.scores(batches(side, samples))
    return {
        "scores": scores,
        "difference_threshold": round(baselines.threshold * 255),
        "samples": min(samples, len(getattr(source, side))),
        "side": side,
        "split": config.data.split,
        "augmented": not plain,
        "size": config.data.size,
        "teacher": config.data.depth,
        "teacher_sha256": source.teacher.identity().get("sha256") if source.teacher else None,
        "parameters": parameter_count(checkpoint.model),
        "steps": checkpoint.steps,
        "batch_size": config.batch_size,
        "trained_minutes": round(checkpoint.trained_seconds / 60, 2),
        "share_waiting_for_data": round(checkpoint.share_waiting_for_data, 4),
        "losses": dict(config.losses.weights),
        "trained_by": command_of(config),
    }


def table(record: dict[str, Any]) -> str:
    """Return the scores as a Markdown table."""
    columns = [c for c in COLUMNS if any(c in s for s in record["scores"].values())]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, scores in record["scores"].items():
        cells = [f"{scores[c]:.4f}" if c in scores else "" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "device": gpu or f"{platform.machine()} CPU",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


# -- the command ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    checkpoint : Path
        A best.ckpt or last.ckpt.
    samples : int
        Samples to score.
    seed : int
        Of samples and augmentation.
    side : str
        training: samples like those it was trained on.
    no_augment : bool
        Score on the composites as they are.
    backgrounds : str or None
        Other folders of images than it was trained on.
    foregrounds : str or None
        The same, for cut-outs.
    builtin : bool
        The built-in pack instead.
    dataset : str or None
        A dataset on disk instead.
    split : str or None
        Another split than it was trained with: asset or placement.
    depth : str or None
        Another teacher.
    device : str
        auto, cpu, cuda or cuda:N.
    out : Path or None
        Also write the record, as JSON.
    picture : Path or None
        Also draw 8 samples: background, composite, mask, depth, predicted mask, predicted depth.
    """

    checkpoint: tyro.conf.Positional[Path]
    samples: int = 1024
    seed: int = 1
    side: Literal["validation", "training"] = "validation"
    no_augment: bool = False
    backgrounds: str | None = None
    foregrounds: str | None = None
    builtin: bool = False
    dataset: str | None = None
    split: str | None = None
    depth: str | None = None
    device: str = "auto"
    out: Path | None = None
    picture: Path | None = None

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UsageError(f"samples: expected at least 1, got {self.samples}; raise it")
        for path in (self.out, self.picture):
            if path is not None and path.exists():
                raise UsageError(f"out: expected a new file, got {quoted(path)}; choose another")


def with_data(checkpoint: Checkpoint, options: Options) -> Checkpoint:
    """Return the checkpoint with the data that the options name instead of its own."""
    names = ("backgrounds", "foregrounds", "dataset", "split", "depth")
    changed = {n: v for n in names if (v := getattr(options, n)) is not None}
    if options.builtin or "backgrounds" in changed or "foregrounds" in changed:
        changed = {"backgrounds": None, "foregrounds": None, "dataset": None} | changed
    data = replace(checkpoint.config.data, **changed)
    return replace(checkpoint, config=replace(checkpoint.config, data=data))


@torch.no_grad()
def _draw(checkpoint: Checkpoint, batches: FixedBatches, path: Path) -> None:
    views = next(iter(batches))
    logits, depth = checkpoint.model(views.background, views.composite)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(views, logits.sigmoid(), depth, count=8)).save(path, quality=85)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog=PROG,
            description="Score a checkpoint and the baselines on held-out samples.",
        )  # fmt: skip
        set_up_logging(quiet=True)
        device = training_device(options.device)
        checkpoint = with_data(open_checkpoint(options.checkpoint, device), options)
        source = open_source(checkpoint.config.data, device)
        chosen = {"side": options.side, "seed": options.seed, "plain": options.no_augment}
        record = evaluate(checkpoint, source, device, samples=options.samples, **chosen)
        words = list(arguments) if arguments is not None else sys.argv[1:]
        record |= {
            "command": f"{PROG} {shlex.join(words)}",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
        }
        print(table(record))
        if options.out is not None:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if options.picture is not None:
            drawn = FixedBatches(checkpoint.config, source, device, samples=8, **chosen)
            _draw(checkpoint, drawn, options.picture)
        Console().say(f"measured on {record['samples']:,} {options.side} samples")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
