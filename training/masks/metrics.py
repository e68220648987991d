"""Metrics of mask and depth: torchmetrics, and per picture what it does not have so."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import BinaryJaccardIndex
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

BOUNDARY_TOLERANCE = 0.0075
"""Of the boundary's F-measure, as a share of the picture's diagonal (DAVIS's is 0.008)."""


def iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return intersection over union of boolean (n, 1, h, w) masks, (n,); 1 if both are empty."""
    both = (predicted & truth).sum((1, 2, 3))
    either = (predicted | truth).sum((1, 2, 3))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def dice(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the Dice coefficient of boolean (n, 1, h, w) masks, (n,); 1 where both are empty."""
    both = (predicted & truth).sum((1, 2, 3))
    total = predicted.sum((1, 2, 3)) + truth.sum((1, 2, 3))
    return torch.where(total > 0, 2 * both / total.clamp(min=1), 1.0)


def boundary_f(predicted: Tensor, truth: Tensor, tolerance: int | None = None) -> Tensor:
    """Return the F-measure of the masks' boundaries, (n,).

    A boundary pixel is right when the other mask has one within `tolerance` pixels (a square).

    Parameters
    ----------
    predicted, truth : Tensor of bool, (n, 1, h, w)
    tolerance : int, optional
        `BOUNDARY_TOLERANCE` of the diagonal when left out, at least 1.
    """
    height, width = truth.shape[2:]
    if tolerance is None:
        tolerance = max(1, round(BOUNDARY_TOLERANCE * (height**2 + width**2) ** 0.5))
    mine, theirs = _boundary(predicted), _boundary(truth)
    precision = _share(mine & _grown(theirs, tolerance), mine, theirs)
    recall = _share(theirs & _grown(mine, tolerance), theirs, mine)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-9)


def _boundary(mask: Tensor) -> Tensor:
    """Return the mask's own pixels that touch what is not mask; the picture's edge is no end."""
    return mask & _grown(~mask, 1)


def _grown(mask: Tensor, pixels: int) -> Tensor:
    return functional.max_pool2d(mask.float(), 2 * pixels + 1, 1, pixels) > 0


def _share(right: Tensor, found: Tensor, sought: Tensor) -> Tensor:
    """Return right / found; without any found 1 where there was none to find, else 0."""
    found, sought = found.sum((1, 2, 3)), sought.sum((1, 2, 3))
    share = right.sum((1, 2, 3)) / found.clamp(min=1)
    return torch.where(found > 0, share, (sought == 0).float())


class DeltaAccuracy(Metric):
    """Share of pixels with ``max(d / t, t / d) < 1.25 ** power``."""

    right: Tensor
    total: Tensor

    def __init__(self, power: int) -> None:
        super().__init__()
        self.limit = 1.25**power
        self.add_state("right", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, depth: Tensor, truth: Tensor) -> None:
        """Count a batch; depths of 0 and below count as tiny."""
        depth, truth = depth.clamp(min=1e-6), truth.clamp(min=1e-6)
        self.right += (torch.maximum(depth / truth, truth / depth) < self.limit).sum()
        self.total += depth.numel()

    def compute(self) -> Tensor:
        """Return the share."""
        return (self.right / self.total).float()


class Scores(torch.nn.Module):
    """All metrics of a split.

    ``iou``, ``dice`` and ``boundary_f`` are means over pictures; ``iou_pooled`` counts the pixels
    of all pictures as one. Masks are cut at one half.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pictures = MetricCollection(
            {name: MeanMetric() for name in ("iou", "dice", "boundary_f")}, compute_groups=False
        )
        self.pooled = BinaryJaccardIndex()
        self.depth = MetricCollection(
            {
                "rmse": MeanSquaredError(squared=False), "mae": MeanAbsoluteError(),
                "delta1": DeltaAccuracy(1), "delta2": DeltaAccuracy(2), "delta3": DeltaAccuracy(3),
            },
            compute_groups=False,
        )  # fmt: skip
        self._has_depth = False

    def update(
        self, predicted: Tensor, mask: Tensor, depth: Tensor | None, truth: Tensor | None
    ) -> None:
        """Count a batch.

        Parameters
        ----------
        predicted : Tensor of bool, (n, 1, h, w)
        mask : Tensor, (n, 1, h, w)
            True coverage in [0, 1].
        depth, truth : Tensor, (n, 1, h, w), or None
        """
        expected = mask >= 0.5
        for name, function in (("iou", iou), ("dice", dice), ("boundary_f", boundary_f)):
            self.pictures[name].update(function(predicted, expected))
        self.pooled.update(predicted.int(), expected.int())
        if depth is not None and truth is not None:
            self._has_depth = True
            self.depth.update(depth.contiguous(), truth.contiguous())

    def compute(self) -> dict[str, Tensor]:
        """Return every score by name; those of depth only where there was one."""
        scores = self.pictures.compute() | {"iou_pooled": self.pooled.compute()}
        return scores | (self.depth.compute() if self._has_depth else {})

    def reset(self) -> None:
        """Start anew."""
        self.pictures.reset()
        self.pooled.reset()
        self.depth.reset()
        self._has_depth = False
