"""Predictors that any network must beat: a threshold on the difference, no mask, mean depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.masks.augment import Views
from training.masks.scores import Scores
from training.metrics import iou

THRESHOLDS = torch.arange(1, 256) / 255


def difference(views: Views) -> Tensor:
    """Return |composite - background|, the largest of the channels, (n, 1, h, w), 0..1."""
    return (views.composite - views.background).abs().amax(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Predictors fitted on the training split.

    Attributes
    ----------
    threshold : float
        Threshold on the difference with the best mean IoU.
    depth : Tensor, (1, 1, h, w), or None
        Mean depth of each pixel.
    """

    threshold: float
    depth: Tensor | None

    @classmethod
    def fit(cls, training: Iterable[Views]) -> Baselines:
        """Choose the threshold and average the depth on views of the training split."""
        total = torch.zeros(len(THRESHOLDS), dtype=torch.float64)
        depths = []
        for views in training:
            change, expected = difference(views), views.mask >= 0.5
            total += torch.stack([iou(change > t, expected).sum().cpu() for t in THRESHOLDS])
            if views.depth is not None:
                depths.append(views.depth)
        return cls(
            threshold=float(THRESHOLDS[total.argmax()]),
            depth=torch.cat(depths).mean(0, keepdim=True) if depths else None,
        )

    def scores(self, batches: Iterable[Views]) -> dict[str, dict[str, float]]:
        """Return the scores of each baseline by its name.

        ``difference`` and ``always background`` differ in the mask; both predict the mean depth.
        """
        found = {"difference": Scores(), "always background": Scores()}
        for views in batches:
            change = difference(views)
            masks = {
                "difference": change > self.threshold,
                "always background": torch.zeros_like(change, dtype=torch.bool),
            }
            depth = None if self.depth is None else self.depth.expand(len(views), -1, -1, -1)
            for name, mask in masks.items():
                found[name].to(change.device).update(mask, views.mask, depth, views.depth)
        return {name: as_floats(scores.compute()) for name, scores in found.items()}


def as_floats(scores: dict[str, Tensor]) -> dict[str, float]:
    """Return scores as numbers with six decimals."""
    return {name: round(float(value), 6) for name, value in scores.items()}
