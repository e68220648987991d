"""``python -m training.masks.evaluate CHECKPOINT``: scores beside the baselines' on the same samples."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from PIL import Image

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.console import Console, OneLineParser, run_command, set_up_logging
from training.masks.augment import Views
from training.masks.baselines import Baselines, as_floats
from training.masks.checkpoint import Checkpoint, open_checkpoint
from training.masks.config import SPLITS
from training.masks.data import AVERAGED_SAMPLES, Source, open_source
from training.masks.metrics import Scores
from training.masks.model import parameter_count
from training.masks.pictures import sheet
from training.masks.train import command_of, device_of, fixed_batches

COLUMNS = ("iou", "dice", "boundary_f", "iou_pooled", "rmse", "delta1", "delta2", "delta3")


@torch.no_grad()
def network_scores(checkpoint: Checkpoint, batches: Iterable[Views]) -> dict[str, float]:
    """Return the network's scores, computed in float32."""
    scores: Scores | None = None
    for views in batches:
        logits, depth = checkpoint.model(views.background, views.composite)
        scores = scores or Scores().to(logits.device)
        scores.update(logits > 0, views.mask, depth, views.depth)
    assert scores is not None, "a side of a split is never empty"
    return as_floats(scores.compute())


def evaluate(
    checkpoint: Checkpoint, device: torch.device, *, samples: int = 1024, seed: int = 1,
    side: str = "validation", plain: bool = False,
) -> dict:  # fmt: skip
    """Score a network and the baselines on the same samples.

    Parameters
    ----------
    checkpoint : Checkpoint
    device : torch.device
    samples : int
        How many.
    seed : int
        Of the choice of samples and their augmentation; training validates with its own.
    side : {'validation', 'training'}
    plain : bool
        Leave the augmentation out.

    Returns
    -------
    dict
        JSON-able: ``scores`` by predictor, and what they were measured on.
    """
    config = checkpoint.config
    source = open_source(config.data, device)

    def batches(side: str, samples: int) -> Iterable[Views]:
        return fixed_batches(config, source, device, side, samples, plain=plain, seed=seed)

    baselines = Baselines.fitted(batches("training", AVERAGED_SAMPLES))
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
        "teacher_sha256": _teacher_sha256(source),
        "parameters": parameter_count(checkpoint.model),
        "steps": checkpoint.steps,
        "batch_size": config.batch_size,
        "trained_minutes": round(checkpoint.trained_seconds / 60, 2),
        "share_waiting_for_data": round(checkpoint.share_waiting_for_data, 4),
        "losses": {k: v for k, v in asdict(config.losses).items() if v},
        "trained_by": command_of(config),
    }


def _teacher_sha256(source: Source) -> str | None:
    teacher = source.live.depth if source.live is not None else None
    return teacher.identity().get("sha256") if teacher is not None else None


def table(record: dict) -> str:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        given = _parser().parse_args(arguments)
        set_up_logging(quiet=True)
        if given.samples < 1:
            raise UsageError(f"samples: expected at least 1, got {given.samples}; raise it")
        for path in (given.out, given.picture):
            if path is not None and path.exists():
                raise UsageError(f"out: expected a new file, got {quoted(path)}; choose another")
        device = device_of(given.device)
        checkpoint = with_data(open_checkpoint(given.checkpoint, device), given)
        record = evaluate(
            checkpoint, device, samples=given.samples, seed=given.seed, side=given.side,
            plain=given.no_augment,
        )  # fmt: skip
        words = list(arguments) if arguments is not None else sys.argv[1:]
        record |= {
            "command": "python -m training.masks.evaluate " + shlex.join(words),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
        }
        print(table(record))
        if given.out is not None:
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if given.picture is not None:
            _draw(checkpoint, device, given)
        Console().say(f"measured on {record['samples']:,} {given.side} samples")

    return run_command(command)


def with_data(checkpoint: Checkpoint, given: argparse.Namespace) -> Checkpoint:
    """Return the checkpoint with the data that the arguments name instead of its own."""
    names = ("backgrounds", "foregrounds", "dataset", "split", "depth")
    other = {n: getattr(given, n) for n in names if getattr(given, n) is not None}
    if given.builtin or "backgrounds" in other or "foregrounds" in other:
        other = {"backgrounds": None, "foregrounds": None, "dataset": None} | other
    config = replace(checkpoint.config, data=replace(checkpoint.config.data, **other))
    return replace(checkpoint, config=config)


@torch.no_grad()
def _draw(checkpoint: Checkpoint, device: torch.device, given: argparse.Namespace) -> None:
    source = open_source(checkpoint.config.data, device)
    batches = fixed_batches(
        checkpoint.config, source, device, given.side, 8, plain=given.no_augment, seed=given.seed
    )
    views = next(iter(batches))
    logits, depth = checkpoint.model(views.background, views.composite)
    picture = Image.fromarray(sheet(views, logits.sigmoid(), depth, count=8))
    given.picture.parent.mkdir(parents=True, exist_ok=True)
    picture.save(given.picture, quality=85)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m training.masks.evaluate",
        description="Score a checkpoint on held-out samples, beside the baselines.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT")
    add("--samples", type=int, default=1024, help="(1024)")
    add("--seed", type=int, default=1, help="of samples and augmentation (1)")
    add("--side", choices=("validation", "training"), default="validation",
        help="training: samples of the kind it learnt from")  # fmt: skip
    add("--no-augment", action="store_true", help="the composites as they are")
    add("--backgrounds", metavar="DIR", help="other pictures than it was trained on")
    add("--foregrounds", metavar="DIR")
    add("--builtin", action="store_true", help="the built-in pack instead")
    add("--dataset", metavar="DIR", help="a data set on disk instead")
    add("--split", choices=SPLITS, help="another split than it was trained with")
    add("--depth", help="another teacher")
    add("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    add("--out", type=Path, metavar="FILE", help="also write the record as JSON")
    add("--picture", type=Path, metavar="FILE", help="also draw 8 samples: background, composite, "
        "mask, depth, predicted mask, predicted depth")  # fmt: skip
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
