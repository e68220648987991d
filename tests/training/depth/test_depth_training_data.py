"""What the depth network learns from: targets, objects in front, pairs."""

import cv2
import numpy as np
import pytest

from evafast.errors import UsageError
from training.depth import cache, data


@pytest.fixture
def no_rendering(monkeypatch):
    """Shards of noise instead of rendered ones; the seeds asked for."""
    asked = []

    def scenes(seeds):
        asked.extend(seeds)
        rng = np.random.default_rng(seeds.start)
        return {
            "rgb": rng.integers(0, 256, (len(seeds), 224, 224, 3), dtype=np.uint8),
            "y": np.full((len(seeds), 224, 224), 2, np.float16),
            "indoors": np.ones(len(seeds), bool),
        }

    def things(seeds):
        rgba, relief = disc()
        return {"rgba": np.stack([rgba] * len(seeds)), "relief": np.stack([relief] * len(seeds))}

    monkeypatch.setattr(cache, "RENDERERS", {"scenes": scenes, "things": things})
    monkeypatch.setattr(cache, "SHARD", 2)
    monkeypatch.setattr(data, "SHARD", 2)
    return asked


def disc(side=cache.THING_SIDE):
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    inside = x**2 + y**2 < (0.4 * side) ** 2
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[inside] = (200, 30, 30, 255)
    return rgba, np.where(inside, 0.0, np.nan).astype(np.float32)


def test_inverse_depth_is_metric_in_rooms_and_bounded_outdoors():
    metres = np.array([0.1, 2.0, 10.0, 1000.0], np.float32)
    np.testing.assert_allclose(cache.inverse_depth(metres, True), [100, 5, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(cache.inverse_depth(metres, False), [100, 6, 2, 1.01], rtol=1e-6)


def test_a_pasted_object_is_in_front_and_nothing_else_moves():
    rng = np.random.default_rng(0)
    y = np.full((224, 224), 2.0, np.float32)  # a wall at half of ten metres
    rgb = np.full((224, 224, 3), 90, np.uint8)
    sample = data.paste(rgb, y, *disc(), rng)
    assert 0.2 < sample.mask.mean() < 0.4
    assert np.array_equal(sample.y[~sample.mask], y[~sample.mask])
    depth = 1 / sample.y[sample.mask]
    assert np.ptp(depth) < 1e-6, "a flat object is flat"
    assert 0.55 * 0.5 <= depth[0] <= 0.8 * 0.5
    assert (sample.rgb[sample.mask][:, 0] > 150).mean() > 0.95
    assert (sample.rgb[~sample.mask] == 90).mean() > 0.98


def test_relief_bulges_towards_the_camera():
    rgba, relief = disc()
    y, x = np.mgrid[: len(relief), : len(relief)] / len(relief) - 0.5
    ball = np.where(np.isfinite(relief), -np.sqrt(np.maximum(0, 0.16 - x**2 - y**2)), np.nan)
    sample = data.paste(
        np.zeros((224, 224, 3), np.uint8), np.ones((224, 224), np.float32),
        rgba, ball.astype(np.float32), np.random.default_rng(1),
    )  # fmt: skip
    rows, columns = np.nonzero(sample.mask)
    middle = sample.y[rows.min() + np.ptp(rows) // 2, columns.min() + np.ptp(columns) // 2]
    rim = sample.y[rows.min() + 1, columns[rows == rows.min() + 1][0]]
    assert middle > 1.2 * rim > 1.2


def test_an_invisible_object_leaves_the_scene():
    rgb, y = np.zeros((224, 224, 3), np.uint8), np.ones((224, 224), np.float32)
    rgba, relief = disc()
    sample = data.paste(rgb, y, np.zeros_like(rgba), relief, np.random.default_rng(0))
    assert sample.rgb is rgb
    assert not sample.mask.any()


def test_shards_are_rendered_once_and_new_ones_are_taken_in(no_rendering, tmp_path):
    arrays = cache.load(tmp_path, "scenes", range(3))
    assert len(arrays["rgb"]) == 3
    assert no_rendering == [0, 1, 2]
    cache.load(tmp_path, "scenes", range(3))
    assert no_rendering == [0, 1, 2]
    source = data.AsCached(tmp_path)
    assert len(source) == 2
    assert cache.main([str(tmp_path), "--scenes", "0:4", "--things", "0:2"]) == 0
    cache.load_shard(tmp_path, "scenes", cache.HELD_OUT)
    source.refresh()
    assert len(source) == 4  # never the held-out ones
    images, targets = data.batch(source, np.arange(4), 0)
    assert images.shape == (4, 224, 224, 3)
    assert targets.shape == (4, 112, 112)
    again = data.batch(source, np.arange(4), 0)
    assert np.array_equal(images, again[0])
    assert np.array_equal(targets, again[1])
    assert not np.array_equal(images, data.batch(source, np.arange(4), 1)[0])


def test_pairs_reads_millimetres_and_refuses_other_folders(tmp_path):
    with pytest.raises(UsageError, match=r"--pairs: expected .*got no such pair"):
        data.Pairs(tmp_path)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "depth").mkdir()
    cv2.imwrite(str(tmp_path / "rgb" / "a.png"), np.full((40, 50, 3), 7, np.uint8))
    cv2.imwrite(str(tmp_path / "depth" / "a.png"), np.full((40, 50), 2500, np.uint16))
    sample = data.Pairs(tmp_path).draw(0, np.random.default_rng(0))
    assert sample.rgb.shape == (224, 224, 3)
    np.testing.assert_allclose(sample.y, 4.0)
