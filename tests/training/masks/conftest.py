"""Small images to train on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


def scene(side: int, seed: int) -> np.ndarray:
    """Return (side, side, 3) uint8: patches with hard edges, which show any misalignment."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(40, 216, (10, 10, 3), dtype=np.uint8))
    hard = np.asarray(patches.resize((side, side), Image.Resampling.NEAREST)).astype(float)
    return np.clip(hard + rng.normal(0, 6, hard.shape), 0, 255).astype(np.uint8)


def blob(width: int, height: int, seed: int) -> np.ndarray:
    """Return (height, width, 4) uint8: one colour with stripes, under a soft oval alpha."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    rgba = np.empty((height, width, 4), np.uint8)
    stripes = 30 * np.sin(12 * (x * np.cos(seed) + y * np.sin(seed)))
    rgba[..., :3] = np.clip(rng.integers(0, 256, 3) + stripes[..., None], 0, 255)
    rgba[..., 3] = np.clip((1 - np.hypot(x, y)) * 1500, 0, 255)
    return rgba


@pytest.fixture(scope="session")
def image_folders(tmp_path_factory):
    """Two folders: 8 backgrounds, 8 foregrounds."""
    root = tmp_path_factory.mktemp("images")
    for kind in ("bg", "fg"):
        (root / kind).mkdir()
    for i in range(8):
        Image.fromarray(scene(64, i)).save(root / "bg" / f"scene{i}.png")
        Image.fromarray(blob(26 + 2 * i, 40 - 2 * i, 50 + i)).save(root / "fg" / f"blob{i}.png")
    return root / "bg", root / "fg"


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """A small DenseDepth with random weights, as a file."""
    import torch

    from evafast.depth import DenseDepth, DenseDepthConfig, save_safetensors

    torch.manual_seed(0)
    network = DenseDepth(
        DenseDepthConfig(blocks=(1, 1, 1, 1), growth=4, stem=8, decoder_width=16)
    ).eval()
    with torch.no_grad():
        network.decoder.conv3.weight.mul_(20)
        network.decoder.conv3.bias.fill_(5000.0 / 1000)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_safetensors(network, path)
    return path


@pytest.fixture(scope="session")
def config(image_folders):
    """A config of a tiny network on small images without depth."""
    from training.masks.config import DataConfig, MaskTrainConfig

    backgrounds, foregrounds = map(str, image_folders)
    data = DataConfig(
        backgrounds=backgrounds, foregrounds=foregrounds, size=48, canvas=48, placements=3,
        validation_share=0.25, depth="none",
    )  # fmt: skip
    return MaskTrainConfig(
        preset="tiny", device="cpu", precision="fp32", batch_size=8, steps=6, validate_every=3,
        validation_samples=8, data=data,
    )  # fmt: skip
