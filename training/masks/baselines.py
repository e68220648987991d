"""What any network must beat: a threshold on the difference, nothing at all, the mean depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.masks.augment import Views
from training.masks.metrics import Scores, iou

THRESHOLDS = torch.arange(1, 256) / 255


def difference(views: Views) -> Tensor:
    """Return |composite - background|, the largest of the channels, (n, 1, h, w) in [0, 1]."""
    return (views.composite - views.background).abs().amax(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Predictors fitted on the training split.

    Attributes
    ----------
    threshold : float
        Of the difference: that with the best mean IoU.
    depth : Tensor, (1, 1, h, w), or None
        Mean depth at each pixel.
    """

    threshold: float
    depth: Tensor | None

    @classmethod
    def fitted(cls, training: Iterable[Views]) -> Baselines:
        """Choose the threshold and average the depth on views of the training split."""
        total = torch.zeros(len(THRESHOLDS), dtype=torch.float64)
        depths = []
        for views in training:
            gap, expected = difference(views), views.mask >= 0.5
            total += torch.stack([iou(gap > t, expected).sum().cpu() for t in THRESHOLDS])
            if views.depth is not None:
                depths.append(views.depth)
        return cls(
            threshold=float(THRESHOLDS[total.argmax()]),
            depth=torch.cat(depths).mean(0, keepdim=True) if depths else None,
        )

    def scores(self, views: Iterable[Views]) -> dict[str, dict[str, float]]:
        """Return the scores of each baseline by its name.

        ``difference`` and ``always background`` score masks; both carry the mean depth's scores.
        """
        found = {"difference": Scores(), "always background": Scores()}
        for v in views:
            depth = None if self.depth is None else self.depth.expand(len(v), -1, -1, -1)
            gap = difference(v)
            found["difference"].to(gap.device).update(gap > self.threshold, v.mask, depth, v.depth)
            nothing = torch.zeros_like(gap, dtype=torch.bool)
            found["always background"].to(gap.device).update(nothing, v.mask, depth, v.depth)
        return {name: as_floats(s.compute()) for name, s in found.items()}


def as_floats(scores: dict[str, Tensor]) -> dict[str, float]:
    """Return scores as numbers of six decimals."""
    return {name: round(float(value), 6) for name, value in scores.items()}
