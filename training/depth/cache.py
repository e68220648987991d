"""Rendered scenes and objects, kept on disk in shards.

    python -m training.depth.cache FOLDER --scenes 0:6000 --things 0:3000

renders before training; training renders what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from evafast.errors import UsageError
from evafast.system.cli import parse
from evafast.system.console import Console, run_command
from training import scenes

SIDE = 224  # pixels of a scene
THING_SIDE = 176  # pixels of a rendered object, before it is cropped and fitted
SHARD = 100  # images per file
HELD_OUT = 10_000_000  # seeds from here on are never trained on

Arrays = dict[str, NDArray[np.generic]]


def inverse_depth(metres: NDArray[np.floating], indoors: bool) -> NDArray[np.float32]:
    """Return the network's target ``y`` (1 far to 100 near) for depth in metres."""
    y = 10.0 / np.maximum(np.asarray(metres, np.float32), 0.05)
    return np.clip(y if indoors else y + 1.0, 1.0, 100.0).astype(np.float32)


def _render_scenes(seeds: range) -> Arrays:
    images = [scenes.scene(seed, samples=2, occlusion=1) for seed in seeds]
    y = np.stack([inverse_depth(image.depth, image.indoors) for image in images])
    return {
        "rgb": np.stack([image.rgb for image in images]),
        "y": y.astype(np.float16),
        "indoors": np.array([image.indoors for image in images]),
    }


def _render_things(seeds: range) -> Arrays:
    things = [scenes.thing(seed, side=THING_SIDE, samples=9) for seed in seeds]
    return {
        "rgba": np.stack([thing.rgba for thing in things]),
        "relief": np.stack([thing.relief for thing in things]).astype(np.float16),
    }


RENDERERS: dict[str, Callable[[range], Arrays]] = {
    "scenes": _render_scenes,
    "things": _render_things,
}


def load_shard(cache: Path, kind: str, start: int, count: int = SHARD) -> Arrays:
    """Load the images of seeds ``start`` to ``start + count``; render them if they are missing.

    Returns
    -------
    dict
        Of ``scenes``: ``rgb`` uint8 (n, 224, 224, 3), ``y`` float16 (n, 224, 224), ``indoors``
        bool (n,). Of ``things``: ``rgba`` uint8 (n, 176, 176, 4), ``relief`` float16
        (n, 176, 176).
    """
    path = cache / f"{kind}-{start:08d}-{count}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        arrays = RENDERERS[kind](range(start, start + count))
        part = path.with_name(f".{path.name}.{os.getpid()}.npz")  # a killed run leaves no shard
        np.savez(part, **arrays)
        part.replace(path)
    return read_shard(path)


def read_shard(path: Path) -> Arrays:
    """Read a shard's file."""
    with np.load(path) as stored:
        return dict(stored)


def load(cache: Path, kind: str, seeds: range, console: Console | None = None) -> Arrays:
    """Load ``scenes`` or ``things`` into memory, rendering what is missing."""
    shards = []
    with (console or Console(quiet=True)).progress(kind, len(seeds), unit="images") as bar:
        for start in range(seeds.start, seeds.stop, SHARD):
            count = min(SHARD, seeds.stop - start)
            shards.append(load_shard(cache, kind, start, count))
            bar.update(count)
    return joined(shards)


def joined(shards: Sequence[Arrays]) -> Arrays:
    """Return shards as one."""
    return {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}


# -- the command ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    cache : Path
        Folder to fill.
    scenes : str
        Seeds, FIRST:STOP.
    things : str
        Seeds, FIRST:STOP.
    """

    cache: tyro.conf.Positional[Path]
    scenes: str = "0:2000"
    things: str = "0:1000"

    def seeds(self, kind: str) -> range:
        """Return the seeds of a kind."""
        text = getattr(self, kind)
        try:
            first, stop = map(int, text.split(":"))
        except ValueError:
            raise UsageError(f"{kind}: expected FIRST:STOP, got {text!r}; write 0:2000") from None
        return range(first, stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.depth.cache",
            description="Render scenes and objects before training.",
        )  # fmt: skip
        for kind in ("things", "scenes"):
            seeds = options.seeds(kind)
            with Console().progress(kind, len(seeds), unit="images") as bar:
                for start in range(seeds.start, seeds.stop, SHARD):
                    count = min(SHARD, seeds.stop - start)
                    load_shard(options.cache, kind, start, count)
                    bar.update(count)

    return run_command(command, resumes=True)


if __name__ == "__main__":
    raise SystemExit(main())
