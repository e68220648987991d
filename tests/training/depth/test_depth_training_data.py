"""What the depth network learns from: targets, composites in front, DenseDepth's loss."""

import numpy as np
import pytest
import torch

from evafast.errors import UsageError
from training.depth import data, score, train


def test_inverse_depth_is_metric_in_rooms_and_bounded_in_the_open():
    metres = np.array([0.1, 2.0, 10.0, 1000.0], np.float32)
    np.testing.assert_allclose(depth_data.inverse_depth(metres, True), [100, 5, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(
        depth_data.inverse_depth(metres, False), [100, 6, 2, 1.01], rtol=1e-6
    )


def disc(side=depth_data.THING_SIDE):
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    inside = x**2 + y**2 < (0.4 * side) ** 2
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[inside] = (200, 30, 30, 255)
    return rgba, np.where(inside, 0.0, np.nan).astype(np.float32)


def test_a_pasted_object_is_in_front_and_nothing_else_moves():
    rng = np.random.default_rng(0)
    y = np.full((224, 224), 2.0, np.float32)  # a wall at half of ten metres
    rgb = np.full((224, 224, 3), 90, np.uint8)
    made = depth_data.paste(rgb, y, *disc(), rng)
    assert 0.2 < made.mask.mean() < 0.4
    assert np.array_equal(made.y[~made.mask], y[~made.mask])
    depth = 1 / made.y[made.mask]
    assert np.ptp(depth) < 1e-6, "a flat cut-out is flat"
    assert 0.55 * 0.5 <= depth[0] <= 0.8 * 0.5
    assert (made.rgb[made.mask][:, 0] > 150).mean() > 0.95
    assert (made.rgb[~made.mask] == 90).mean() > 0.98


def test_relief_bulges_towards_the_camera():
    rgba, relief = disc()
    y, x = np.mgrid[: len(relief), : len(relief)] / len(relief) - 0.5
    ball = np.where(np.isfinite(relief), -np.sqrt(np.maximum(0, 0.16 - x**2 - y**2)), np.nan)
    made = depth_data.paste(
        np.zeros((224, 224, 3), np.uint8), np.ones((224, 224), np.float32),
        rgba, ball.astype(np.float32), np.random.default_rng(1),
    )  # fmt: skip
    rows, columns = np.nonzero(made.mask)
    middle = made.y[rows.min() + np.ptp(rows) // 2, columns.min() + np.ptp(columns) // 2]
    rim = made.y[rows.min() + 1, columns[rows == rows.min() + 1][0]]
    assert middle > 1.2 * rim > 1.2


def test_loss_is_nought_at_the_truth_and_grows_with_error():
    truth = 1 + 9 * torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(train_depth.depth_loss(truth, truth, 0.5)) == pytest.approx(0, abs=1e-5)
    near = float(train_depth.depth_loss(truth + 0.1, truth))
    far = float(train_depth.depth_loss(truth + 1.0, truth))
    assert 0.01 < near < far
    # a constant shift: a tenth of L1, no gradient, hardly any structure
    assert far == pytest.approx(0.1 * 1.0, rel=0.2)


def test_scores_by_hand():
    truth = np.array([0.1, 0.2, 0.4, 0.8])
    got = depth_score.measures(np.array([0.1, 0.26, 0.2, 1.6]), truth)
    assert got["delta1"] == 0.25  # 1.6 clips to 1, and 1 / 0.8 is just not below 1.25
    assert got["delta2"] == 0.75
    assert got["delta3"] == 0.75
    assert got["rel"] == pytest.approx((0.3 + 0.5 + 0.25) / 4, abs=1e-4)
    assert got["rms"] == pytest.approx(np.sqrt((0.06**2 + 0.2**2 + 0.2**2) / 4), abs=1e-4)


def test_pairs_reads_millimetres_and_says_what_it_wants(tmp_path):
    import cv2

    with pytest.raises(UsageError, match=r"--pairs: expected .*got no such pair"):
        depth_data.Pairs(tmp_path)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "depth").mkdir()
    cv2.imwrite(str(tmp_path / "rgb" / "a.png"), np.full((40, 50, 3), 7, np.uint8))
    cv2.imwrite(str(tmp_path / "depth" / "a.png"), np.full((40, 50), 2500, np.uint16))
    sample = depth_data.Pairs(tmp_path).draw(0, np.random.default_rng(0))
    assert sample.rgb.shape == (224, 224, 3)
    np.testing.assert_allclose(sample.y, 4.0)
