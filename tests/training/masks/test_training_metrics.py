"""Metrics and losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import UsageError
from training.masks.baselines import Baselines
from training.masks.config import LossConfig
from training.masks.losses import dice_loss, gradient_loss, losses_of
from training.masks.metrics import DeltaAccuracy, Scores, boundary_f, dice, iou


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
    moved = square(4, 7, 10)
    # each outline has 36 pixels; 3 columns apart and 0 px tolerated, 7 + 7 of each coincide
    assert boundary_f(a, moved, 0).item() == pytest.approx(14 / 36)
    assert boundary_f(torch.zeros_like(a), a).item() == 0
    assert boundary_f(torch.zeros_like(a), torch.zeros_like(a)).item() == 1


def test_delta_counts_ratios_either_way():
    metric = DeltaAccuracy(1)
    metric.update(torch.tensor([1.0, 1.2, 0.85, 1.3, 0.75, -1.0]), torch.ones(6))
    assert metric.compute().item() == pytest.approx(3 / 6)
    second = DeltaAccuracy(2)
    second.update(torch.tensor([1.5, 1.6]), torch.ones(2))
    assert second.compute().item() == pytest.approx(1 / 2)


def test_scores_are_means_over_pictures_beside_pooled():
    predicted = torch.cat([square(2, 2, 4), square(0, 0, 10)])
    truth = torch.cat([square(4, 4, 4), square(0, 0, 10)]).float()
    depth, expected = torch.full((2, 1, 20, 20), 1.5), torch.ones(2, 1, 20, 20)
    scores = Scores()
    scores.update(predicted[:1], truth[:1], depth[:1], expected[:1])
    scores.update(predicted[1:], truth[1:], depth[1:], expected[1:])
    found = scores.compute()
    assert found["iou"].item() == pytest.approx((4 / 28 + 1) / 2)
    assert found["iou_pooled"].item() == pytest.approx(104 / 128)
    assert found["rmse"].item() == pytest.approx(0.5)
    assert found["mae"].item() == pytest.approx(0.5)
    assert found["delta1"].item() == 0
    assert found["delta2"].item() == 1
    scores.reset()
    scores.update(predicted, truth, None, None)
    assert "rmse" not in scores.compute()


def test_losses_by_hand():
    logits, mask = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    depth, truth = torch.full((1, 1, 8, 8), 3.0), torch.full((1, 1, 8, 8), 2.0)
    config = LossConfig(bce=1, dice=2, l1=3, rmse=4, ssim=0, gradient=5)
    parts = losses_of(config, logits, mask, depth, truth, torch.tensor(2.0))
    assert parts["bce"].item() == pytest.approx(math.log(2))
    assert parts["dice"].item() == pytest.approx(1 - (2 * 32 + 1) / (32 + 64 + 1))
    assert parts["l1"].item() == pytest.approx(0.5)
    assert parts["rmse"].item() == pytest.approx(0.5)
    assert parts["gradient"].item() == pytest.approx(0)
    expected = math.log(2) + 2 * parts["dice"].item() + 3 * 0.5 + 4 * 0.5
    assert parts["loss"].item() == pytest.approx(expected)
    assert dice_loss(torch.full((1, 1, 8, 8), 50.0), mask).item() == pytest.approx(0, abs=1e-6)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert gradient_loss(ramp, torch.zeros_like(ramp)).item() > 0.2


def test_ssim_is_nothing_for_equal_maps_and_much_for_noise():
    torch.manual_seed(0)
    depth = torch.rand(1, 1, 32, 32)
    config = LossConfig(bce=1, dice=0, l1=0, ssim=1, gradient=0)
    one = torch.tensor(1.0)
    logits = torch.zeros_like(depth)
    same = losses_of(config, logits, logits, depth, depth, one)["ssim"]
    other = losses_of(config, logits, logits, depth, torch.rand_like(depth), one)["ssim"]
    assert same.item() == pytest.approx(0, abs=1e-5)
    assert other.item() > 0.3


def test_loss_weights_from_the_command_line():
    config = LossConfig.parsed("bce=1,l1=0.5")
    assert (config.bce, config.dice, config.l1, config.ssim) == (1, 0, 0.5, 0)
    for text in ("bce", "bce=x", "huber=1", "bce=-1"):
        with pytest.raises(UsageError, match="losses: expected NAME=WEIGHT"):
            LossConfig.parsed(text)


def test_baselines_choose_the_threshold_that_separates():
    from training.masks.augment import Views

    mask = square(3, 3, 8).float()
    background = torch.full((1, 3, 20, 20), 0.5) + 0.1 * torch.eye(20)
    composite = torch.where(mask.bool(), 0.9, background - 0.05)
    depth = torch.full_like(mask, 0.25)
    views = Views(background, composite, mask, depth, [0])
    fitted = Baselines.fitted([views])
    assert 0.05 <= fitted.threshold < 0.3
    scores = fitted.scores([views])
    assert scores["difference"]["iou"] == 1
    assert scores["always background"]["iou"] == 0
    assert scores["difference"]["rmse"] == pytest.approx(0, abs=1e-6)
