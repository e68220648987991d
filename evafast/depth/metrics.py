"""The usual measures of monocular depth (Eigen, Puhrsch and Fergus, 2014).

With p the prediction and g the ground truth, in metres, over the pixels where both are positive:
delta_k is the part with ``max(p / g, g / p) < 1.25 ** k``, rel is ``mean(|p - g| / g)``, rms is
``sqrt(mean((p - g) ** 2))`` and log10 is ``mean(|log10 p - log10 g|)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evafast.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class DepthMetrics:
    """Measures over ``pixels`` pixels (or, averaged, over images)."""

    delta1: float
    delta2: float
    delta3: float
    rel: float
    rms: float
    log10: float
    pixels: int


class DepthErrors:
    """Sums over a set of images, from which both usual averages come.

    Papers differ: some pool all pixels of the set, some average each image's figures. delta, rel
    and log10 hardly differ between the two, rms does (0.55 against 0.47 for the authors' nyu.h5).
    """

    def __init__(self) -> None:
        self._sums: list[Tensor] = []

    def add(self, prediction: Tensor, truth: Tensor, valid: Tensor | None = None) -> None:
        """Add one image.

        Parameters
        ----------
        prediction, truth : Tensor, float, any one shape
            Metres. Pixels without positive, finite truth do not count.
        valid : Tensor, bool, same shape, optional
            Pixels that count.

        Raises
        ------
        UsageError
            If shapes differ, no pixel counts, or a prediction that counts is not positive.
        """
        if prediction.shape != truth.shape:
            raise UsageError(
                f"prediction: expected the ground truth's shape {tuple(truth.shape)}, "
                f"got {tuple(prediction.shape)}"
            )
        counted = torch.isfinite(truth) & (truth > 0)
        if valid is not None:
            counted &= valid
        p, g = prediction[counted].double(), truth[counted].double()
        if not p.numel():
            raise UsageError("ground truth: expected positive depths, got none; leave the image out")
        if not bool((p > 0).all()):
            raise UsageError("prediction: expected positive depths, got zero, negative or NaN ones")
        ratio = torch.maximum(p / g, g / p)
        terms = [(ratio < 1.25**k).double() for k in (1, 2, 3)]
        terms += [(p - g).abs() / g, (p - g).square(), (p.log10() - g.log10()).abs()]
        self._sums.append(torch.stack([*(t.sum() for t in terms), p.new_tensor(p.numel())]).cpu())

    def __len__(self) -> int:
        return len(self._sums)

    def pooled(self) -> DepthMetrics:
        """Return the measures over all pixels of all images."""
        return _metrics(self._stacked().sum(0)[None])

    def per_image(self) -> DepthMetrics:
        """Return the mean over images of each image's measures."""
        return _metrics(self._stacked())

    def _stacked(self) -> Tensor:
        if not self._sums:
            raise UsageError("evaluation: expected at least one image, got none")
        return torch.stack(self._sums)


def _metrics(sums: Tensor) -> DepthMetrics:
    means = sums[:, :6] / sums[:, 6:]
    means[:, 4] = means[:, 4].sqrt()
    delta1, delta2, delta3, rel, rms, log10 = means.mean(0).tolist()
    return DepthMetrics(
        delta1=delta1,
        delta2=delta2,
        delta3=delta3,
        rel=rel,
        rms=rms,
        log10=log10,
        pixels=int(sums[:, 6].sum()),
    )
