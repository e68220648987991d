"""Train DenseDepth on rendered scenes and composites, or on any folder of image/depth pairs.

python -m training.depth.train --out runs/compact                     # the built-in network
python -m training.depth.train --out runs/full --config 169 --device cuda
python -m training.depth.train --out runs/mine --config 169 --pairs DIR --init nyu.h5
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from evafast.depth import DepthEstimator, save_safetensors
from evafast.errors import UsageError, quoted
from evafast.system.cli import parse
from evafast.system.console import Console, run_command
from evafast.system.devices import resolve_device
from training.depth.cache import load
from training.depth.data import AsCached, Pairs, Rendered, Source
from training.depth.score import score
from training.depth.trainer import DepthTrainConfig, Trainer


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    out : Path
        Folder for checkpoint, weights and record.
    config : DepthTrainConfig
    cache : Path
        Folder of rendered scenes; missing ones are rendered.
    scenes : int
        Scenes to train on.
    things : int
        Objects to paste into them.
    as_cached : bool
        Train on what the cache holds, and take in new shards as they appear.
    pairs : Path or None
        Train on FOLDER/rgb and FOLDER/depth instead.
    outdoors : bool
        The pairs' depth does not end at ten metres.
    init : Path or None
        Weights to start from (.h5 or .safetensors).
    device : str
        auto, cpu, cuda or cuda:N.
    minutes : float or None
        End after that much work, if the steps are not done before; the learning rate follows.
    resume : bool
        Resume from the checkpoint in the folder.
    """

    out: Path
    config: DepthTrainConfig = field(default_factory=DepthTrainConfig)
    cache: Path = Path("depth-cache")
    scenes: int = 6000
    things: int = 1500
    as_cached: bool = False
    pairs: Path | None = None
    outdoors: bool = False
    init: Path | None = None
    device: str = "auto"
    minutes: float | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.out.exists() and any(self.out.iterdir()) and not self.resume:
            raise UsageError(
                f"out: expected a new or empty folder, got {quoted(self.out)}; add --resume or "
                f"choose another"
            )


def open_source(options: Options, console: Console) -> Source:
    """Return the samples that the options ask for."""
    if options.pairs is not None:
        return Pairs(options.pairs, indoors=not options.outdoors)
    if options.as_cached:
        return AsCached(options.cache)
    return Rendered(
        load(options.cache, "scenes", range(options.scenes), console),
        load(options.cache, "things", range(options.things), console),
    )


def run(options: Options, console: Console) -> dict[str, Any]:
    """Train, write weights, score them on held-out scenes and return the record, also written."""
    config, device = options.config, resolve_device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    source = open_source(options, console)
    limit = options.minutes * 60 if options.minutes else None
    trainer = Trainer(config, options.out, device, init=options.init, limit=limit, console=console)
    if options.resume:
        trainer.resume()
    model = trainer.run(source)
    name = config.network if config.network == "compact" else f"densenet{config.network}"
    weights = options.out / f"{name}.safetensors"
    note = {} if options.outdoors else {"metres_per_unit": "10"}
    save_safetensors(model.to("cpu"), weights, note, dtype=torch.float16)
    record = {
        "train": asdict(config),
        "network": model.config.to_dict(),
        "history": trainer.history,
        "parameters": sum(p.numel() for p in model.parameters()),
        "pictures": len(source),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "device": str(device),
    }
    if options.pairs is None:
        console.say("scoring on held-out seeds")
        record["held_out"] = score(DepthEstimator.load(weights), options.cache, console)
    (options.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.depth.train",
            description="Train DenseDepth on rendered scenes, or on images with depth maps.",
        )  # fmt: skip
        record = run(options, Console())
        print(json.dumps(record.get("held_out", {}), indent=1))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
