"""Losses, scores and baselines against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import UsageError
from training.masks.augment import Views
from training.masks.baselines import Baselines
from training.masks.config import MaskTrainConfig
from training.masks.losses import DEPTH_LOSSES, LossConfig, compute_losses, dice_loss, gradient_loss
from training.masks.scores import Scores

ONE = torch.tensor(1.0)


def square(top: int, left: int, side: int, size: int = 20) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size, dtype=torch.bool)
    mask[..., top : top + side, left : left + side] = True
    return mask


def test_losses_by_hand():
    logits, mask = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    depth, truth = torch.full((1, 1, 8, 8), 3.0), torch.full((1, 1, 8, 8), 2.0)
    config = LossConfig({"bce": 1, "dice": 2, "l1": 3, "rmse": 4, "ssim": 0, "gradient": 5})
    found = compute_losses(config, logits, mask, depth, truth, torch.tensor(2.0))
    assert found["bce"].item() == pytest.approx(math.log(2))
    assert found["dice"].item() == pytest.approx(1 - (2 * 32 + 1) / (32 + 64 + 1))
    assert found["l1"].item() == pytest.approx(0.5)
    assert found["rmse"].item() == pytest.approx(0.5)
    assert found["gradient"].item() == pytest.approx(0)
    assert "ssim" not in found
    expected = math.log(2) + 2 * found["dice"].item() + 3 * 0.5 + 4 * 0.5
    assert found["loss"].item() == pytest.approx(expected)
    assert set(compute_losses(config, logits, mask, depth, None, ONE)) == {"bce", "dice", "loss"}
    assert dice_loss(torch.full((1, 1, 8, 8), 50.0), mask).item() == pytest.approx(0, abs=1e-6)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert gradient_loss(ramp, torch.zeros_like(ramp)).item() > 0.2


def test_loss_weights_from_the_command_line():
    config = LossConfig.parse("bce=1,l1=0.5,ssim=0")
    assert config.weights == {"bce": 1, "l1": 0.5}
    assert str(config) == "bce=1,l1=0.5"
    for text, said in (
        ("bce", "losses: expected NAME=WEIGHT"),
        ("bce=x", "losses: expected NAME=WEIGHT"),
        ("huber=1", "losses: expected names among bce, dice, l1, .*, got 'huber'"),
        ("bce=-1", "loss bce: expected 0 to 1000, got -1"),
        ("l1=1", "losses: expected a weight above 0 for bce or dice"),
    ):
        with pytest.raises(UsageError, match=said):
            LossConfig.parse(text)


def test_a_loss_is_added_by_one_registry_line(monkeypatch):
    monkeypatch.setitem(DEPTH_LOSSES, "huber", torch.nn.functional.huber_loss)
    config = LossConfig.parse("bce=1,huber=2")
    logits = torch.zeros(1, 1, 8, 8)
    found = compute_losses(config, logits, logits, logits + 0.5, logits, ONE)
    assert found["huber"].item() == pytest.approx(0.125)
    assert found["loss"].item() == pytest.approx(math.log(2) + 2 * 0.125)
    run = MaskTrainConfig(losses=config)
    assert MaskTrainConfig.from_dict(run.to_dict()) == run


def test_scores_are_means_over_images_beside_pooled():
    predicted = torch.cat([square(2, 2, 4), square(0, 0, 10)])
    truth = torch.cat([square(4, 4, 4), square(0, 0, 10)]).float()
    depth, expected = torch.full((2, 1, 20, 20), 1.5), torch.ones(2, 1, 20, 20)
    depth[1] = -1  # counts as tiny
    scores = Scores()
    scores.update(predicted[:1], truth[:1], depth[:1], expected[:1])
    scores.update(predicted[1:], truth[1:], depth[1:], expected[1:])
    found = scores.compute()
    assert found["iou"].item() == pytest.approx((4 / 28 + 1) / 2)
    assert found["dice"].item() == pytest.approx((8 / 32 + 1) / 2)
    assert found["iou_pooled"].item() == pytest.approx(104 / 128)
    assert found["rmse"].item() == pytest.approx(math.sqrt((0.25 + 1) / 2))
    assert found["rel"].item() == pytest.approx((0.5 + 1) / 2)
    assert found["delta1"].item() == 0
    assert found["delta2"].item() == 0.5
    scores.reset()
    scores.update(predicted, truth, None, None)
    assert set(scores.compute()) == {"iou", "dice", "boundary_f", "iou_pooled"}


def test_baselines_choose_the_threshold_that_separates():
    mask = square(3, 3, 8).float()
    background = torch.full((1, 3, 20, 20), 0.5) + 0.1 * torch.eye(20)
    composite = torch.where(mask.bool(), 0.9, background - 0.05)
    views = Views(background, composite, mask, torch.full_like(mask, 0.25), [0])
    baselines = Baselines.fit([views])
    assert 0.05 <= baselines.threshold < 0.3
    scores = baselines.scores([views])
    assert scores["difference"]["iou"] == 1
    assert scores["always background"]["iou"] == 0
    assert scores["difference"]["rmse"] == pytest.approx(0, abs=1e-6)
