"""Losses of mask and depth, combined by the weights of a `LossConfig`."""

from __future__ import annotations

from dataclasses import asdict

import torch
from kornia.filters import spatial_gradient
from kornia.losses import ssim_loss
from torch import Tensor
from torch.nn import functional

from training.masks.config import LossConfig


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - soft Dice, a mean over pictures; 1 is added above and below for empty masks."""
    p = logits.sigmoid()
    both = (p * mask).sum((1, 2, 3))
    return 1 - ((2 * both + 1) / (p.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)).mean()


def gradient_loss(depth: Tensor, truth: Tensor) -> Tensor:
    """Return the L1 distance of the depth's horizontal and vertical gradients."""
    return spatial_gradient(depth - truth, mode="diff").abs().mean()


def losses_of(
    config: LossConfig, logits: Tensor, mask: Tensor, depth: Tensor, truth: Tensor | None,
    depth_scale: Tensor,
) -> dict[str, Tensor]:  # fmt: skip
    """Return each loss whose weight is not 0, unweighted, and their weighted sum as ``loss``.

    Parameters
    ----------
    config : LossConfig
    logits, mask : Tensor, (n, 1, h, w)
        Predicted logits, true coverage in [0, 1].
    depth, truth : Tensor, (n, 1, h, w)
        In the teacher's unit; without truth the depth's losses are left out.
    depth_scale : Tensor
        One of the depth losses' units.
    """
    parts = {}
    if config.bce:
        parts["bce"] = functional.binary_cross_entropy_with_logits(logits, mask)
    if config.dice:
        parts["dice"] = dice_loss(logits, mask)
    if truth is not None:
        depth, truth = depth / depth_scale, truth / depth_scale
        if config.l1:
            parts["l1"] = functional.l1_loss(depth, truth)
        if config.rmse:
            parts["rmse"] = (functional.mse_loss(depth, truth) + 1e-8).sqrt()
        if config.ssim:
            parts["ssim"] = ssim_loss(depth, truth, window_size=7)
        if config.gradient:
            parts["gradient"] = gradient_loss(depth, truth)
    weights = asdict(config)
    total = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
    return parts | {"loss": total}
