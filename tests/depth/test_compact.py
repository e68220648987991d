"""The built-in depth network: small, loadable by name, and right about near and far."""

import numpy as np
import pytest
import torch

from evafast import Bank, DepthEstimator, Recipe, composite
from evafast.builtin import weights_path
from evafast.depth import load_weights
from training import scenes


@pytest.fixture(scope="module")
def estimator():
    return DepthEstimator.load("compact", precision="fp32")


def test_the_file_is_as_small_as_its_card_says():
    assert weights_path().stat().st_size <= 8 * 2**20
    count = sum(p.numel() for p in load_weights("compact").model.parameters())
    assert f"{count / 1e6:.2f} million parameters" in weights_path().with_name(
        "MODEL_CARD.md"
    ).read_text(encoding="utf-8")


def test_pasted_objects_come_before_what_they_hide(estimator):
    bank = Bank.builtin()
    recipe = Recipe.for_bank(bank)
    # sixteen samples over backgrounds and foregrounds, not chosen by hand
    indices = (np.arange(16) * 24_683 + 7_919) % len(recipe)
    placements = recipe[indices]
    image = np.asarray(composite(bank, placements, backend="numba", device="cpu").image)
    mask = np.asarray(composite(bank, placements, backend="numba", device="cpu").mask)
    mask = mask.reshape(len(image), 224, 224) > 127
    behind = bank.backgrounds[placements.background]
    with_object = np.asarray(estimator(torch.from_numpy(image)).depth)
    without = np.asarray(estimator(torch.from_numpy(np.ascontiguousarray(behind))).depth)
    nearer = [
        np.median(a[m]) < np.median(b[m])
        for a, b, m in zip(with_object, without, mask, strict=True)
    ]
    assert sum(nearer) >= 11, f"{sum(nearer)} of 16 in front"


@pytest.mark.parametrize("style", ["village", "beach", "desert"])
def test_the_sky_is_farther_than_the_ground(estimator, style):
    rendered = scenes.scene(10_000_777, style, samples=2, occlusion=1)
    depth = np.asarray(estimator(torch.from_numpy(rendered.rgb)[None]).depth)[0]
    sky, near = rendered.depth > 900, rendered.depth < 12
    assert sky.mean() > 0.1
    assert near.mean() > 0.1
    assert np.median(depth[sky]) > 1.5 * np.median(depth[near])
