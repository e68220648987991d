"""Augmentation: geometry alike for all, colours apart, and all of it replayable."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from training.masks.augment import Augmentation, Views
from training.masks.config import AugmentConfig
from training.masks.jpeg import jpeg

PHOTOMETRIC = ("brightness", "contrast", "saturation", "hue", "blur", "noise", "jpeg")
MISALIGN = ("misalign_pixels", "misalign_degrees", "misalign_scale")


def views(seed: int = 0, n: int = 4, size: int = 48) -> Views:
    """Return views whose mask and depth are computed from the composite itself."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 6, 6, generator=rng)
    composite = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return Views(
        background=composite.flip(1), composite=composite, mask=composite[:, :1].clone(),
        depth=2 * composite[:, 1:2] + 1, index=np.arange(n),
    )  # fmt: skip


def without(*names: str) -> AugmentConfig:
    return replace(AugmentConfig(), **dict.fromkeys(names, 0.0))


def test_geometry_is_alike_for_background_composite_mask_and_depth():
    given = views()
    moved = Augmentation(without(*PHOTOMETRIC, *MISALIGN))(given, seed=5)
    assert (moved.composite - given.composite).abs().mean() > 0.05  # it did move
    torch.testing.assert_close(moved.mask, moved.composite[:, :1], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved.depth, 2 * moved.composite[:, 1:2] + 1, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.background, moved.composite.flip(1), atol=1e-5, rtol=0)


def test_misalignment_moves_the_background_alone_and_little():
    given = views()
    config = replace(AugmentConfig.none(), misalign_pixels=1.5)
    moved = Augmentation(config)(given, seed=5)
    assert torch.allclose(moved.composite, given.composite, atol=1e-5)
    assert torch.allclose(moved.mask, given.mask, atol=1e-5)
    gap = (moved.background - given.background).abs()
    assert gap.mean() > 1e-3
    # every value lies within those of the neighbours that 1.5 px and interpolation reach
    pool = torch.nn.functional.max_pool2d
    inner = (..., slice(4, -4), slice(4, -4))
    high, low = pool(given.background, 7, 1, 3), -pool(-given.background, 7, 1, 3)
    assert (moved.background <= high + 1e-5)[inner].all()
    assert (moved.background >= low - 1e-5)[inner].all()


def test_colours_change_apart_and_leave_mask_and_depth():
    given = views()
    given.background = given.composite.clone()
    config = replace(without(*MISALIGN), degrees=0.0, translate=0.0, scale=0.0, shear=0.0, flip=0.0)
    changed = Augmentation(config)(given, seed=1)
    assert torch.allclose(changed.mask, given.mask, atol=1e-5)
    assert torch.allclose(changed.depth, given.depth, atol=1e-4)
    assert (changed.composite - given.composite).abs().mean() > 0.01
    assert (changed.composite - changed.background).abs().mean() > 0.01
    assert changed.composite.min() >= 0
    assert changed.composite.max() <= 1


def test_replays_by_seed_and_leaves_torch_generator_alone():
    augment = Augmentation(AugmentConfig())
    torch.manual_seed(3)
    expected_draw = torch.rand(1)
    torch.manual_seed(3)
    one = augment(views(), seed=7)
    assert torch.rand(1) == expected_draw
    torch.rand(100)
    again = Augmentation(AugmentConfig())(views(), seed=7)
    other = augment(views(), seed=8)
    for name in ("background", "composite", "mask", "depth"):
        assert torch.equal(getattr(one, name), getattr(again, name)), name
        assert not torch.equal(getattr(one, name), getattr(other, name)), name


def test_none_changes_nothing():
    given = views()
    same = Augmentation(AugmentConfig.none())(given, seed=1)
    assert torch.equal(same.composite, given.composite)


@pytest.mark.parametrize("quality", [45, 90])
@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
def test_jpeg_is_close_to_a_codec(quality, size):
    x = (views(2, 1, 64).composite[0].permute(1, 2, 0) * 128 + 64).numpy()
    rng = np.random.default_rng(0)
    x = np.clip(x[: size[0], : size[1]] + rng.normal(0, 15, (*size, 3)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(x).save(stream, "jpeg", quality=quality, subsampling=0)
    codec = np.asarray(Image.open(stream)).astype(float)
    ours = jpeg(torch.from_numpy(x).permute(2, 0, 1)[None] / 255, torch.tensor([float(quality)]))
    ours = (ours[0].permute(1, 2, 0) * 255).numpy()
    assert np.abs(codec - x).mean() > 2.0  # the codec did something
    assert np.abs(ours - codec).mean() < 0.4 * np.abs(codec - x).mean()
