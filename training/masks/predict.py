"""``python -m training.masks.predict CHECKPOINT BACKGROUND COMPOSITE``: mask, depth and an overlay."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from evafast import UsageError
from evafast.assets.decode import Unusable, decode
from evafast.errors import quoted
from evafast.system.console import OneLineParser, run_command, set_up_logging
from training.masks.checkpoint import Checkpoint, open_checkpoint
from training.masks.pictures import coloured_depth, overlay
from training.masks.train import device_of


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a network sees in a pair, at the composite's size.

    Attributes
    ----------
    mask : ndarray of float32, (h, w), in [0, 1]
    depth : ndarray of float32, (h, w)
        In the teacher's unit; meaningless when there was no teacher.
    """

    mask: NDArray[np.float32]
    depth: NDArray[np.float32]


@torch.no_grad()
def predict(
    checkpoint: Checkpoint, background: NDArray[np.uint8], composite: NDArray[np.uint8]
) -> Prediction:
    """Predict mask and depth of one pair.

    Parameters
    ----------
    checkpoint : Checkpoint
    background, composite : ndarray of uint8, (h, w, 3)
        RGB, the same scene; each is resized to the size the network was trained at.
    """
    size = checkpoint.config.data.size
    device = checkpoint.model.depth_scale.device

    def view(picture: NDArray[np.uint8]) -> torch.Tensor:
        x = torch.from_numpy(picture.copy()).to(device).permute(2, 0, 1)[None].float() / 255
        x = functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
        return x.contiguous(memory_format=torch.channels_last)

    logits, depth = checkpoint.model(view(background), view(composite))
    own = composite.shape[:2]
    mask = functional.interpolate(logits, own, mode="bilinear").sigmoid()[0, 0]
    depth = functional.interpolate(depth, own, mode="bilinear")[0, 0]
    return Prediction(mask=mask.cpu().numpy(), depth=depth.cpu().numpy())


def read_picture(name: str, path: Path) -> NDArray[np.uint8]:
    """Read an upright RGB picture; transparency is flattened onto white.

    Raises
    ------
    UsageError
        When it cannot be read, saying why.
    """
    try:
        image = decode(path).image
    except Unusable as reason:
        raise UsageError(
            f"{name}: expected a picture, got {quoted(path)}: {reason}; give another"
        ) from None
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, (0, 0), image)
        image = flat
    return np.asarray(image.convert("RGB"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        given = _parser().parse_args(arguments)
        set_up_logging(quiet=False)
        out = given.out or given.composite.with_suffix("")
        files = {
            what: out.with_name(f"{out.name}-{what}.{suffix}")
            for what, suffix in (("mask", "png"), ("depth", "npy"), ("overlay", "jpg"))
        }
        for file in files.values():
            if file.exists():
                raise UsageError(f"out: expected a new file, got {quoted(file)}; give --out PREFIX")
        background = read_picture("background", given.background)
        composite = read_picture("composite", given.composite)
        checkpoint = open_checkpoint(given.checkpoint, device_of(given.device))
        found = predict(checkpoint, background, composite)
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(found.mask * 255).astype(np.uint8)).save(files["mask"])
        np.save(files["depth"], found.depth)
        shown = np.concatenate([overlay(composite, found.mask), coloured_depth(found.depth)], 1)
        Image.fromarray(shown).save(files["overlay"], quality=92)
        for file in files.values():
            print(file)

    return run_command(command)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m training.masks.predict",
        description="Find what was pasted, and depth. Writes PREFIX-mask.png, PREFIX-depth.npy "
        "(float32) and PREFIX-overlay.jpg (the outline, and depth in colours: near is bright).",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("background", type=Path, metavar="BACKGROUND")
    parser.add_argument("composite", type=Path, metavar="COMPOSITE")
    parser.add_argument("--out", type=Path, metavar="PREFIX", help="default: the composite's name")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
