"""JPEG artefacts on floating-point images, on any device: quantized block cosines.

kornia's `RandomJPEG` is differentiable, which augmentation does not need, and took longer than the
network on two cores.
"""

from __future__ import annotations

import math

import torch
from kornia.color import rgb_to_ycbcr, ycbcr_to_rgb
from torch import Tensor
from torch.nn import functional

_LUMINANCE = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]  # fmt: skip
"""Luminance quantization at quality 50 (ITU-T T.81, table K.1)."""

_CHROMINANCE = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *[99] * 32,
]  # fmt: skip
"""Chrominance quantization at quality 50 (table K.2)."""


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Return images as decoded from JPEG without chroma subsampling.

    Parameters
    ----------
    images : Tensor of float32, (n, 3, h, w)
        RGB, 0..1.
    quality : Tensor, (n,)
        1 to 100.
    """
    height, width = images.shape[2:]
    padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
    n, _, high, wide = padded.shape
    zero = torch.tensor([128.0, 127.5, 127.5], device=padded.device).view(3, 1, 1)
    blocks = (rgb_to_ycbcr(padded) * 255 - zero).reshape(n, 3, high // 8, 8, wide // 8, 8)
    blocks = blocks.transpose(3, 4)  # (n, 3, rows, columns, 8, 8)
    cosines = _cosines(images.device)
    steps = _steps(quality.to(images.device))[:, :, None, None]
    coefficients = torch.round(cosines @ blocks @ cosines.T / steps) * steps
    blocks = (cosines.T @ coefficients @ cosines).transpose(3, 4).reshape(n, 3, high, wide)
    return ycbcr_to_rgb((blocks + zero) / 255)[..., :height, :width].clamp(0, 1)


def _cosines(device: torch.device) -> Tensor:
    """Return the orthonormal (8, 8) matrix of the DCT-II."""
    row, column = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    matrix = torch.cos((2 * column + 1) * row * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)


def _steps(quality: Tensor) -> Tensor:
    """Return the quantization steps, (n, 3, 8, 8), scaled by quality as in libjpeg."""
    tables = torch.tensor([_LUMINANCE, _CHROMINANCE, _CHROMINANCE], device=quality.device)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    steps = torch.floor((scale[:, None, None] * tables + 50) / 100).clamp(1, 255)
    return steps.reshape(-1, 3, 8, 8)
