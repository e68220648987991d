"""How well a depth network does on held-out rendered scenes and composites, beside two baselines.

The baselines know the training scenes' average: one depth for all pixels, and one depth for each
row of the picture (far above, near below), which is what a network that looks at nothing but the
position would say.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evafast.depth import DenseDepth, DepthEstimator
from training.depth import data

SCENES = 300
THINGS = 200


def measures(depth: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """The usual six over all pixels; depth is a share of ten metres, rms is in that unit too."""
    depth = np.clip(depth, 0.01, 1.0)
    truth = np.clip(truth, 0.01, 1.0)
    ratio = np.maximum(depth / truth, truth / depth)
    return {
        "delta1": round(float(np.mean(ratio < 1.25)), 4),
        "delta2": round(float(np.mean(ratio < 1.25**2)), 4),
        "delta3": round(float(np.mean(ratio < 1.25**3)), 4),
        "rel": round(float(np.mean(np.abs(depth - truth) / truth)), 4),
        "rms": round(float(np.sqrt(np.mean((depth - truth) ** 2))), 4),
        "log10": round(float(np.mean(np.abs(np.log10(depth / truth)))), 4),
    }


def predict(model, rgb: NDArray[np.uint8], size: int = 8) -> NDArray[np.float32]:
    """Relative depth (N, 112, 112) of pictures (N, 224, 224, 3), by network or estimator."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(rgb), size):
            images = torch.from_numpy(np.ascontiguousarray(rgb[start : start + size]))
            if isinstance(model, DenseDepth):
                y = model(images.permute(0, 3, 1, 2).float() / 255)[:, 0].float().numpy()
                out.append(1.0 / np.clip(y, 1.0, 100.0))
            else:
                out.append(model(images).depth.numpy()[:, 1::2, 1::2])
    return np.concatenate(out)


def held_out(cache: Path) -> tuple[dict, dict]:
    """Held-out scenes and cut-outs; their seeds are beyond all training seeds."""
    low = data.HELD_OUT
    return (
        data.load(cache, "scenes", range(low, low + SCENES)),
        data.load(cache, "things", range(low, low + THINGS)),
    )


def score(model, cache: Path) -> dict:
    """Table of held-out results; see the module.

    Returns
    -------
    dict
        ``scenes`` and ``composites``, each with the network and both baselines; ``right_way``:
        in which share of composites the pasted object's median depth lies on the true side of
        what it hides, and by pixel.
    """
    scene, thing = held_out(cache)
    rng = np.random.default_rng(7)
    pasted = []
    for i in range(len(scene["rgb"])):
        k = i % len(thing["rgba"])
        pasted.append(
            data.paste(
                scene["rgb"][i],
                scene["y"][i].astype(np.float32),
                thing["rgba"][k],
                thing["relief"][k],
                rng,
            )
        )
    # what the baselines know: the mean of log depth in training scenes, whole and by row
    train = data.load(cache, "scenes", range(0, 500))
    logs = -np.log(train["y"][:, 1::2, 1::2].astype(np.float32))
    row = np.exp(np.median(logs, axis=(0, 2)))[None, :, None]
    flat = np.exp(np.median(logs))
    result: dict = {"scenes_count": len(scene["rgb"]), "size": "112x112 of 224x224 input"}
    truth = 1.0 / np.stack([data.half(y.astype(np.float32)) for y in scene["y"]])
    depth = predict(model, scene["rgb"])
    result["scenes"] = _table(depth, truth, flat, row)
    rooms = scene["indoors"]
    result["scenes_indoors"] = measures(depth[rooms], truth[rooms])
    result["scenes_outdoors"] = measures(depth[~rooms], truth[~rooms])
    truth = 1.0 / np.stack([data.half(p.y) for p in pasted])
    depth = predict(model, np.stack([p.rgb for p in pasted]))
    result["composites"] = _table(depth, truth, flat, row)
    mask = np.stack([p.mask[1::2, 1::2] for p in pasted])
    result["composites_on_the_object"] = measures(depth[mask], truth[mask])
    behind = predict(model, scene["rgb"])  # the network's own depth of what is hidden
    right = [
        np.median(depth[i][m]) < np.median(behind[i][m]) for i, m in enumerate(mask) if m.any()
    ]
    true_behind = 1.0 / np.stack([data.half(p.behind) for p in pasted])
    strict = [
        np.median(depth[i][m]) < np.median(true_behind[i][m]) for i, m in enumerate(mask) if m.any()
    ]
    result["right_way"] = {
        "object_before_own_depth_of_hidden": round(float(np.mean(right)), 4),
        "object_before_true_depth_of_hidden": round(float(np.mean(strict)), 4),
        "count": len(right),
    }
    return result


def _table(depth, truth, flat, row) -> dict[str, dict[str, float]]:
    return {
        "network": measures(depth, truth),
        "constant depth": measures(np.full_like(truth, flat), truth),
        "vertical gradient": measures(np.broadcast_to(row, truth.shape), truth),
    }


def main(argv: list[str] | None = None) -> int:
    """Score a weights file, as the pipeline runs it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", help="compact, or a .safetensors file")
    parser.add_argument("--cache", type=Path, default=Path("depth-cache"))
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args(argv)
    estimator = DepthEstimator.load(args.model, precision=args.precision)
    print(json.dumps(score(estimator, args.cache), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
