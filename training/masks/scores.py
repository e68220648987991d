"""Scores of a split: every metric, summed up over batches and ranks."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from training.metrics import boundary_f, depth_metrics, dice, iou

MASK_METRICS = {"iou": iou, "dice": dice, "boundary_f": boundary_f}
DEPTH_METRICS = ("rmse", "delta1", "delta2", "delta3", "rel", "log10")
TINY_DEPTH = 1e-6
"""Smaller depths, and negative ones, count as this."""


class Scores(torch.nn.Module):
    """All scores of a split, over batches and, with DDP, over ranks.

    ``iou``, ``dice`` and ``boundary_f`` are means over images; ``iou_pooled`` and the depth's
    scores are over the pixels of all images. Masks are cut at one half.
    """

    def __init__(self) -> None:
        super().__init__()
        names = (*MASK_METRICS, "iou_pooled", *DEPTH_METRICS)
        self.means = torch.nn.ModuleDict(
            {name: MeanMetric().set_dtype(torch.float64) for name in names}
        )

    def update(
        self, predicted: Tensor, mask: Tensor, depth: Tensor | None, truth: Tensor | None
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        predicted : Tensor of bool, (n, 1, h, w)
        mask : Tensor, (n, 1, h, w)
            True coverage, 0..1.
        depth, truth : Tensor, (n, 1, h, w), or None
            Predicted and true depth.
        """
        expected = mask >= 0.5
        for name, metric in MASK_METRICS.items():
            self.means[name].update(metric(predicted, expected))
        union = (predicted | expected).sum()
        pooled = (predicted & expected).sum() / union.clamp(min=1)
        self.means["iou_pooled"].update(pooled, weight=union)
        if depth is None or truth is None:
            return
        found = depth_metrics(depth, truth, low=TINY_DEPTH, high=torch.inf)
        self.means["rmse"].update(found.rms**2, weight=found.pixels)
        for name in DEPTH_METRICS[1:]:
            self.means[name].update(getattr(found, name), weight=found.pixels)

    def compute(self) -> dict[str, Tensor]:
        """Return every score by name; those of depth only if there was any."""
        used = {name: mean for name, mean in self.means.items() if mean.update_called}
        scores = {name: mean.compute().float() for name, mean in used.items()}
        return scores | ({"rmse": scores["rmse"].sqrt()} if "rmse" in scores else {})

    def reset(self) -> None:
        """Forget all batches."""
        for mean in self.means.values():
            mean.reset()
