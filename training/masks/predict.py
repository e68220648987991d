"""``python -m training.masks.predict CHECKPOINT BACKGROUND COMPOSITE``: mask, depth, overlay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from evafast import UsageError
from evafast.assets.decode import Unusable, decode
from evafast.depth.images import colorize_depth
from evafast.errors import quoted
from evafast.system.cli import parse
from evafast.system.console import run_command, set_up_logging
from evafast.system.devices import resolve_device
from training.masks.checkpoint import Checkpoint, open_checkpoint
from training.masks.sheets import overlay


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a network finds in a pair, at the composite's size.

    Attributes
    ----------
    mask : ndarray of float32, (h, w)
        Probability, 0..1.
    depth : ndarray of float32, (h, w)
        In the teacher's unit; meaningless if there was no teacher.
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
        RGB images of the same scene; both are resized to the size of the training.
    """
    size = checkpoint.config.data.size
    device = checkpoint.model.depth_scale.device

    def resized(image: NDArray[np.uint8]) -> torch.Tensor:
        x = torch.from_numpy(image.copy()).to(device).permute(2, 0, 1)[None].float() / 255
        x = functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
        return x.contiguous(memory_format=torch.channels_last)

    logits, depth = checkpoint.model(resized(background), resized(composite))
    own = composite.shape[:2]
    mask = functional.interpolate(logits, own, mode="bilinear").sigmoid()[0, 0]
    depth = functional.interpolate(depth, own, mode="bilinear")[0, 0]
    return Prediction(mask=mask.cpu().numpy(), depth=depth.cpu().numpy())


def read_image(name: str, path: Path) -> NDArray[np.uint8]:
    """Read an image as RGB, upright, with transparency flattened onto white.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    try:
        image = decode(path).image
    except Unusable as reason:
        raise UsageError(
            f"{name}: expected an image, got {quoted(path)}: {reason}; give another"
        ) from None
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, (0, 0), image)
        image = flat
    return np.asarray(image.convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    checkpoint : Path
        A best.ckpt or last.ckpt.
    background : Path
        Image of the scene.
    composite : Path
        Image of the scene with something pasted into it.
    out : Path or None
        Prefix of the files to write (default: the composite's name).
    device : str
        auto, cpu, cuda or cuda:N.
    """

    checkpoint: tyro.conf.Positional[Path]
    background: tyro.conf.Positional[Path]
    composite: tyro.conf.Positional[Path]
    out: Path | None = None
    device: str = "auto"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.masks.predict",
            description="Find what was pasted, and depth. Writes PREFIX-mask.png, PREFIX-depth.npy "
            "(float32) and PREFIX-overlay.jpg (the outline; the depth, where near is bright).",
        )  # fmt: skip
        set_up_logging(quiet=False)
        out = options.out or options.composite.with_suffix("")
        files = {
            what: out.with_name(f"{out.name}-{what}.{suffix}")
            for what, suffix in (("mask", "png"), ("depth", "npy"), ("overlay", "jpg"))
        }
        for file in files.values():
            if file.exists():
                raise UsageError(f"out: expected a new file, got {quoted(file)}; give --out PREFIX")
        background = read_image("background", options.background)
        composite = read_image("composite", options.composite)
        checkpoint = open_checkpoint(options.checkpoint, resolve_device(options.device))
        found = predict(checkpoint, background, composite)
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(found.mask * 255).astype(np.uint8)).save(files["mask"])
        np.save(files["depth"], found.depth)
        shown = np.concatenate([overlay(composite, found.mask), colorize_depth(found.depth)], 1)
        Image.fromarray(shown).save(files["overlay"], quality=92)
        for file in files.values():
            print(file)

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
