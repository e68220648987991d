"""The standard metrics of monocular depth (Eigen, Puhrsch and Fergus, 2014).

With p the prediction and g the ground truth, over the pixels whose truth is positive: delta_k is
the fraction with ``max(p / g, g / p) < 1.25 ** k``, rel is ``mean(|p - g| / g)``, rms is
``sqrt(mean((p - g) ** 2))`` and log10 is ``mean(|log10 p - log10 g|)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evafast.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class DepthMetrics:
    """Metrics over ``pixels`` pixels; rms is in the unit of the depths."""

    delta1: float
    delta2: float
    delta3: float
    rel: float
    rms: float
    log10: float
    pixels: int


class DepthErrors:
    """Error sums of a stream of batches, from which both usual averages are computed.

    Papers differ: some pool all pixels, some average the metrics of each image. delta, rel and
    log10 hardly differ between the two, rms does (0.55 against 0.47 for the authors' nyu.h5).
    """

    def __init__(self) -> None:
        self._sums: list[Tensor] = []

    def add(self, prediction: Tensor, truth: Tensor) -> None:
        """Add N images, float (N, ...), on one device and in one unit.

        Pixels without positive, finite truth do not count. `UsageError` if shapes differ, an image
        has no pixel that counts, or a prediction that counts is not positive and finite.
        """
        if prediction.shape != truth.shape or truth.ndim < 2:
            raise UsageError(
                f"prediction and truth: expected one shape (N, ...), got {tuple(prediction.shape)} "
                f"and {tuple(truth.shape)}; resize one, or add an axis"
            )
        counted = torch.isfinite(truth) & (truth > 0)
        # Pixels that do not count become 1 and 1, whose errors are 0.
        p = torch.where(counted, prediction, 1.0).double().flatten(1)
        g = torch.where(counted, truth, 1.0).double().flatten(1)
        pixels = counted.flatten(1).sum(1)
        if not bool((pixels > 0).all()):
            raise UsageError("ground truth: expected positive depths, got none; omit the image")
        if not bool((torch.isfinite(p) & (p > 0)).all()):
            raise UsageError(
                "prediction: expected positive finite depths, got others; clamp the prediction"
            )
        ratio = torch.maximum(p / g, g / p)
        terms = [counted.flatten(1) & (ratio < 1.25**k) for k in (1, 2, 3)]
        terms += [(p - g).abs() / g, (p - g).square(), (p.log10() - g.log10()).abs()]
        sums = [term.sum(1).double() for term in terms]
        self._sums.append(torch.stack([*sums, pixels.double()], 1).cpu())

    def __len__(self) -> int:
        return sum(map(len, self._sums))

    def pooled(self) -> DepthMetrics:
        """Return the metrics over all pixels of all images."""
        return _metrics(self._joined().sum(0, keepdim=True))

    def per_image(self) -> DepthMetrics:
        """Return the mean over images of each image's metrics."""
        return _metrics(self._joined())

    def _joined(self) -> Tensor:
        if not self._sums:
            raise UsageError("evaluation: expected at least one image, got none; add one")
        return torch.cat(self._sums)


def _metrics(sums: Tensor) -> DepthMetrics:
    means = sums[:, :6] / sums[:, 6:]
    means[:, 4] = means[:, 4].sqrt()
    names = ("delta1", "delta2", "delta3", "rel", "rms", "log10")
    values = dict(zip(names, means.mean(0).tolist(), strict=True))
    return DepthMetrics(**values, pixels=int(sums[:, 6].sum()))
