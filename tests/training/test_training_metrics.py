"""What both projects share: metrics, SSIM and schedule, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.losses import ssim_loss
from training.metrics import boundary_f, depth_metrics, dice, iou
from training.schedule import rate_at


def square(top: int, left: int, side: int, size: int = 20) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size, dtype=torch.bool)
    mask[..., top : top + side, left : left + side] = True
    return mask


def test_iou_and_dice_of_overlapping_squares():
    a, b = square(2, 2, 4), square(4, 4, 4)  # 16 and 16 pixels, 4 in both
    assert iou(a, b).item() == pytest.approx(4 / 28)
    assert dice(a, b).item() == pytest.approx(8 / 32)
    nothing = torch.zeros_like(a)
    assert iou(nothing, nothing).item() == 1
    assert iou(nothing, a).item() == 0
    assert dice(nothing, nothing).item() == 1


def test_boundary_f_of_a_moved_square():
    a = square(4, 4, 10)
    assert boundary_f(a, a, 1).item() == pytest.approx(1)
    assert boundary_f(a, square(5, 4, 10), 1).item() == pytest.approx(1)  # within one pixel
    # Each outline has 36 pixels; 3 columns apart, 7 + 7 of each coincide.
    assert boundary_f(a, square(4, 7, 10), 0).item() == pytest.approx(14 / 36)
    assert boundary_f(torch.zeros_like(a), a).item() == 0
    assert boundary_f(torch.zeros_like(a), torch.zeros_like(a)).item() == 1


def test_depth_metrics_by_hand():
    truth = torch.tensor([0.1, 0.2, 0.4, 0.8], dtype=torch.float64)
    depth = torch.tensor([0.1, 0.26, 0.2, 1.6], dtype=torch.float64)  # 1.6 is clipped to 1
    found = depth_metrics(depth, truth, low=0.01, high=1.0)
    assert found.delta1 == 0.25  # 1 / 0.8 is not below 1.25
    assert found.delta2 == 0.75
    assert found.delta3 == 0.75
    assert found.rel == pytest.approx((0.3 + 0.5 + 0.25) / 4)
    assert found.rms == pytest.approx(np.sqrt((0.06**2 + 0.2**2 + 0.2**2) / 4))


def test_ssim_is_0_for_equal_maps_and_large_for_noise():
    torch.manual_seed(0)
    depth = torch.rand(2, 1, 32, 32)
    assert ssim_loss(depth, depth, window=7).item() == pytest.approx(0, abs=1e-5)
    assert ssim_loss(depth, torch.rand_like(depth), window=7).item() > 0.3
    scaled = ssim_loss(100 * depth, 100 * depth.flip(3), data_range=100)
    assert scaled.item() == pytest.approx(ssim_loss(depth, depth.flip(3)).item(), abs=1e-5)


def test_ssim_is_kornias_inside_the_border():
    metrics = pytest.importorskip("kornia.metrics")
    torch.manual_seed(0)
    a = torch.rand(2, 1, 32, 24)
    b = (a + 0.1 * torch.rand_like(a)).clamp(0, 1)
    expected = (1 - metrics.ssim(a, b, 11, padding="valid").mean()) / 2
    assert ssim_loss(a, b).item() == pytest.approx(expected.item(), abs=1e-5)


def test_rate_rises_then_falls_to_its_end():
    assert rate_at(0) == 0.01
    assert rate_at(0.05) == pytest.approx(1)
    assert rate_at(0.025) == pytest.approx(0.505)
    assert rate_at(1) == pytest.approx(0.001)
    assert rate_at(1.5) == pytest.approx(0.001)
    assert rate_at(0.525) == pytest.approx(0.5, abs=0.01)
    rates = [rate_at(p / 100, warm_up=0.03, start=0.02, end=0.01) for p in range(3, 101)]
    assert rates == sorted(rates, reverse=True)
