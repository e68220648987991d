"""Metrics of masks, per image, and of depth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from evafast.depth.evaluation import DepthErrors, DepthMetrics

BOUNDARY_TOLERANCE = 0.0075
"""Tolerance of `boundary_f` as a share of the image diagonal (DAVIS uses 0.008)."""


def iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return intersection over union of boolean (n, 1, h, w) masks, (n,); 1 if both are empty."""
    both = (predicted & truth).sum((1, 2, 3))
    either = (predicted | truth).sum((1, 2, 3))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def dice(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the Dice coefficient of boolean (n, 1, h, w) masks, (n,); 1 if both are empty."""
    both = (predicted & truth).sum((1, 2, 3))
    total = predicted.sum((1, 2, 3)) + truth.sum((1, 2, 3))
    return torch.where(total > 0, 2 * both / total.clamp(min=1), 1.0)


def boundary_f(predicted: Tensor, truth: Tensor, tolerance: int | None = None) -> Tensor:
    """Return the F-measure of the masks' boundaries, (n,).

    A boundary pixel counts as correct if the other mask has one within `tolerance` pixels
    (Chebyshev distance).

    Parameters
    ----------
    predicted, truth : Tensor of bool, (n, 1, h, w)
    tolerance : int, optional
        Defaults to `BOUNDARY_TOLERANCE` of the diagonal, at least 1.
    """
    height, width = truth.shape[2:]
    if tolerance is None:
        tolerance = max(1, round(BOUNDARY_TOLERANCE * (height**2 + width**2) ** 0.5))
    found, expected = _boundary(predicted), _boundary(truth)
    precision = _share(found & _dilated(expected, tolerance), found, expected)
    recall = _share(expected & _dilated(found, tolerance), expected, found)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-9)


def depth_metrics(depth: Tensor, truth: Tensor, *, low: float, high: float) -> DepthMetrics:
    """Return the usual metrics over all pixels, with both depths clipped to ``low..high``."""
    errors = DepthErrors()
    errors.add(depth.clamp(low, high).reshape(1, -1), truth.clamp(low, high).reshape(1, -1))
    return errors.pooled()


def _boundary(mask: Tensor) -> Tensor:
    """Return the mask's pixels that touch a pixel outside it; the image border is no boundary."""
    return mask & _dilated(~mask, 1)


def _dilated(mask: Tensor, pixels: int) -> Tensor:
    return functional.max_pool2d(mask.float(), 2 * pixels + 1, 1, pixels) > 0


def _share(correct: Tensor, found: Tensor, expected: Tensor) -> Tensor:
    """Return correct / found; if none was found, 1 if none was expected, otherwise 0."""
    found, expected = found.sum((1, 2, 3)), expected.sum((1, 2, 3))
    share = correct.sum((1, 2, 3)) / found.clamp(min=1)
    return torch.where(found > 0, share, (expected == 0).float())
