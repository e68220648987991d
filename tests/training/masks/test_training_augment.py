"""Augmentation: geometry alike for all, colours apart, replayable, open to new ones."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import UsageError
from training.masks.augment import AUGMENTATIONS, AugmentConfig, Views, augmented
from training.masks.config import MaskTrainConfig
from training.masks.jpeg import jpeg


def make_views(seed: int = 0, n: int = 4, size: int = 48) -> Views:
    """Return views whose mask and depth are computed from the composite itself."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 6, 6, generator=rng)
    composite = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return Views(
        background=composite.flip(1), composite=composite, mask=composite[:, :1].clone(),
        depth=2 * composite[:, 1:2] + 1, index=np.arange(n),
    )  # fmt: skip


def test_geometry_is_alike_for_background_composite_mask_and_depth():
    views = make_views()
    moved = augmented(views, AugmentConfig(steps=("geometry",)), seed=5)
    assert (moved.composite - views.composite).abs().mean() > 0.05
    torch.testing.assert_close(moved.mask, moved.composite[:, :1], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved.depth, 2 * moved.composite[:, 1:2] + 1, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.background, moved.composite.flip(1), atol=1e-5, rtol=0)


def test_misalignment_moves_only_the_background_and_little():
    views = make_views()
    config = AugmentConfig(steps=("misalignment",), misalign_degrees=0, misalign_scale=0)
    moved = augmented(views, config, seed=5)
    assert torch.equal(moved.composite, views.composite)
    assert torch.equal(moved.mask, views.mask)
    assert (moved.background - views.background).abs().mean() > 1e-3
    # Every value lies within those of the neighbours that 1.5 px and interpolation reach.
    pool = torch.nn.functional.max_pool2d
    inner = (..., slice(4, -4), slice(4, -4))
    high, low = pool(views.background, 7, 1, 3), -pool(-views.background, 7, 1, 3)
    assert (moved.background <= high + 1e-5)[inner].all()
    assert (moved.background >= low - 1e-5)[inner].all()


def test_colours_change_independently_and_leave_mask_and_depth():
    views = make_views()
    views.background = views.composite.clone()
    changed = augmented(views, AugmentConfig(steps=("photometric", "jpeg")), seed=1)
    assert torch.equal(changed.mask, views.mask)
    assert torch.equal(changed.depth, views.depth)
    assert (changed.composite - views.composite).abs().mean() > 0.01
    assert (changed.composite - changed.background).abs().mean() > 0.01
    assert changed.composite.min() >= 0
    assert changed.composite.max() <= 1


def test_replays_by_seed_and_leaves_torchs_generator_alone():
    config = AugmentConfig()
    torch.manual_seed(3)
    expected_draw = torch.rand(1)
    torch.manual_seed(3)
    first = augmented(make_views(), config, seed=7)
    assert torch.rand(1) == expected_draw
    torch.rand(100)
    again, other = (augmented(make_views(), config, seed=seed) for seed in (7, 8))
    for name in ("background", "composite", "mask", "depth"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
        assert not torch.equal(getattr(first, name), getattr(other, name)), name


def test_none_changes_nothing():
    views = make_views()
    assert augmented(views, AugmentConfig.none(), seed=1) is views


def test_an_augmentation_is_added_by_one_registry_line(monkeypatch):
    def invert(views: Views, config: AugmentConfig) -> Views:
        return replace(views, composite=1 - views.composite)

    with pytest.raises(UsageError, match=r"augment: expected geometry, .*, got 'invert'"):
        AugmentConfig(steps=("invert",))
    monkeypatch.setitem(AUGMENTATIONS, "invert", invert)
    config = AugmentConfig(steps=("invert",))
    views = make_views()
    assert torch.equal(augmented(views, config, seed=0).composite, 1 - views.composite)
    run = MaskTrainConfig(augment=config)
    assert MaskTrainConfig.from_dict(run.to_dict()) == run


def test_strengths_out_of_range_are_refused():
    with pytest.raises(UsageError, match="augment flip: expected 0 to 1, got 2"):
        AugmentConfig(flip=2)
    with pytest.raises(UsageError, match=r"augment hue: expected 0 to 0\.5"):
        AugmentConfig(hue=0.6)


@pytest.mark.parametrize("quality", [45, 90])
@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
def test_jpeg_is_close_to_a_codec(quality, size):
    x = (make_views(2, 1, 64).composite[0].permute(1, 2, 0) * 128 + 64).numpy()
    rng = np.random.default_rng(0)
    x = np.clip(x[: size[0], : size[1]] + rng.normal(0, 15, (*size, 3)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(x).save(stream, "jpeg", quality=quality, subsampling=0)
    codec = np.asarray(Image.open(stream)).astype(float)
    ours = jpeg(torch.from_numpy(x).permute(2, 0, 1)[None] / 255, torch.tensor([float(quality)]))
    ours = (ours[0].permute(1, 2, 0) * 255).numpy()
    assert np.abs(codec - x).mean() > 2.0  # the codec did something
    assert np.abs(ours - codec).mean() < 0.4 * np.abs(codec - x).mean()
