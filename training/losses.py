"""Losses that both projects use."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def ssim_loss(a: Tensor, b: Tensor, *, window: int = 11, data_range: float = 1.0) -> Tensor:
    """Return the mean structural dissimilarity ``(1 - SSIM) / 2``, 0..1.

    Windows are Gaussian (sigma 1.5) and lie wholly inside the maps.

    Parameters
    ----------
    a, b : Tensor of float32, (n, 1, h, w)
    window : int
        Side in pixels, odd.
    data_range : float
        Range of the values.
    """
    x = torch.arange(window, device=a.device, dtype=torch.float32) - window // 2
    gaussian = torch.exp(-(x**2) / (2 * 1.5**2))
    gaussian = gaussian / gaussian.sum()

    stacked = torch.cat((a, b, a * a, b * b, a * b))  # one pass is faster than five
    blurred = functional.conv2d(stacked, gaussian.view(1, 1, 1, -1))
    blurred = functional.conv2d(blurred, gaussian.view(1, 1, -1, 1))
    mean_a, mean_b, square_a, square_b, product = blurred.chunk(5)

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (1 - (luminance * (2 * covariance + c2) / (variances + c2)).mean()) / 2
