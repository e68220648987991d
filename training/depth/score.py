"""Scores of a depth network on held-out rendered scenes and composites, beside two baselines.

    python -m training.depth.score compact

The baselines predict the median depth of the training scenes, of all pixels or of each row (far
above, near below): what a network would say that only knows the position.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from evafast.depth import DepthEstimator
from evafast.system.cli import parse
from evafast.system.console import Console, run_command
from training.depth.cache import HELD_OUT, load
from training.depth.data import half, paste
from training.metrics import depth_metrics

SCENES = 300
THINGS = 200


def measures(depth: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """Return the usual six metrics; depth is a share of ten metres, clipped to 0.01..1."""
    found = asdict(depth_metrics(_tensor(depth), _tensor(truth), low=0.01, high=1.0))
    return {name: round(value, 4) for name, value in found.items() if name != "pixels"}


def _tensor(depth: NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(np.array(depth))


def predict(
    estimator: DepthEstimator, rgb: NDArray[np.uint8], size: int = 8
) -> NDArray[np.float32]:
    """Return relative depth (n, 112, 112) of images (n, 224, 224, 3)."""
    batches = torch.from_numpy(rgb).split(size)
    return np.concatenate([estimator(images).depth.numpy()[:, 1::2, 1::2] for images in batches])


def score(estimator: DepthEstimator, cache: Path, console: Console | None = None) -> dict[str, Any]:
    """Score a network on held-out scenes and composites.

    Parameters
    ----------
    estimator : DepthEstimator
    cache : Path
        Rendered scenes; missing ones are rendered.
    console : Console, optional
        Quiet by default.

    Returns
    -------
    dict
        ``scenes`` and ``composites``: metrics of the network and both baselines. ``right_way``:
        share of composites in which the object's median depth is less than that of what it hides.
    """
    held_out = range(HELD_OUT, HELD_OUT + SCENES)
    scenes = load(cache, "scenes", held_out, console)
    things = load(cache, "things", held_out[:THINGS], console)
    rng = np.random.default_rng(7)
    pasted = []
    for i, (rgb, y) in enumerate(zip(scenes["rgb"], scenes["y"], strict=True)):
        k = i % THINGS
        rgba, relief = things["rgba"][k], things["relief"][k]
        pasted.append(paste(rgb, y.astype(np.float32), rgba, relief, rng))

    logs = -np.log(
        load(cache, "scenes", range(500), console)["y"][:, 1::2, 1::2].astype(np.float32)
    )
    flat = np.exp(np.median(logs))
    rows = np.exp(np.median(logs, axis=(0, 2)))[None, :, None]

    def table(
        depth: NDArray[np.float32], truth: NDArray[np.float32]
    ) -> dict[str, dict[str, float]]:
        return {
            "network": measures(depth, truth),
            "constant depth": measures(np.full_like(truth, flat), truth),
            "vertical gradient": measures(np.broadcast_to(rows, truth.shape), truth),
        }

    truth = 1.0 / np.stack([half(y.astype(np.float32)) for y in scenes["y"]])
    behind = predict(estimator, scenes["rgb"])
    rooms = scenes["indoors"]
    result: dict[str, Any] = {
        "scenes_count": len(truth),
        "size": "112x112 of 224x224 input",
        "scenes": table(behind, truth),
        "scenes_indoors": measures(behind[rooms], truth[rooms]),
        "scenes_outdoors": measures(behind[~rooms], truth[~rooms]),
    }
    truth = 1.0 / np.stack([half(sample.y) for sample in pasted])
    true_behind = 1.0 / np.stack([half(sample.behind) for sample in pasted])
    masks = np.stack([sample.mask[1::2, 1::2] for sample in pasted])
    depth = predict(estimator, np.stack([sample.rgb for sample in pasted]))
    shown = [i for i, mask in enumerate(masks) if mask.any()]

    def share_in_front(hidden: NDArray[np.float32]) -> float:
        right = [np.median(depth[i][masks[i]]) < np.median(hidden[i][masks[i]]) for i in shown]
        return round(float(np.mean(right)), 4)

    return result | {
        "composites": table(depth, truth),
        "composites_on_the_object": measures(depth[masks], truth[masks]),
        "right_way": {
            "object_before_own_depth_of_hidden": share_in_front(behind),
            "object_before_true_depth_of_hidden": share_in_front(true_behind),
            "count": len(shown),
        },
    }


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    model : str
        compact, or a .safetensors file.
    cache : Path
        Folder of rendered scenes.
    precision : str
        auto, fp32, bf16 or fp16.
    """

    model: tyro.conf.Positional[str]
    cache: Path = Path("depth-cache")
    precision: str = "auto"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.depth.score",
            description="Score a depth network on held-out scenes and composites.",
        )  # fmt: skip
        estimator = DepthEstimator.load(options.model, precision=options.precision)
        print(json.dumps(score(estimator, options.cache, Console()), indent=1))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
