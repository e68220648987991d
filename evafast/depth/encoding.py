"""Depth maps as 8- or 16-bit integers, and back.

minmax8
    Each image's minimum becomes 0 and its maximum 255; a code is ``floor(255 * t + 0.5)`` with
    ``t = (depth - low) / (high - low)``, all in float32. A constant map is all 0. Decoding gives
    ``low * (1 - t) + high * t`` with ``t = code / 255``: low and high come back exactly, everything
    else to within half a step, ``(high - low) / 510``, plus float32 rounding.
metric16
    Whole millimetres in uint16, rounded half up. 0 means "no measurement" and encodes depths that
    are not positive or not finite; positive ones saturate at 1 mm and 65,535 mm. Every code decodes
    to a float32 depth that encodes to the same code; unsaturated depths come back within 0.5 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from evafast.errors import UsageError, check_choice, refusal

Encoding = Literal["minmax8", "metric16"]
ENCODINGS: tuple[Encoding, ...] = ("minmax8", "metric16")

_MILLIMETRES = 1000.0


@dataclass(frozen=True, kw_only=True)
class EncodedDepth:
    """Codes of a batch of depth maps, with everything needed to decode them."""

    codes: Tensor
    """uint8 or uint16, (N, H, W)."""
    low: Tensor
    """Smallest depth of each image before encoding, float32 (N,), in the estimator's unit."""
    high: Tensor
    """Largest depth of each image before encoding, float32 (N,), in the estimator's unit."""
    encoding: Encoding
    metres_per_unit: float | None = None
    """Metres in one unit of depth; None for minmax8 of a model with unknown scale."""


def check_encoding(encoding: str, metres_per_unit: float | None) -> None:
    """Raise `UsageError` if an encoding is unknown, or is metric16 for depth of unknown scale."""
    check_choice("depth encoding", encoding, ENCODINGS)
    if encoding == "metric16" and metres_per_unit is None:
        raise UsageError(
            "depth encoding: metric16 expected depth in metres, got a model of unknown scale; "
            "use minmax8, or a metric model such as nyu or kitti"
        )
    if metres_per_unit is not None and not metres_per_unit > 0:
        raise refusal("metres per unit", "a number > 0", metres_per_unit, "NYU: 10, KITTI: 80")


def encode(
    depth: Tensor, encoding: str = "minmax8", metres_per_unit: float | None = None
) -> EncodedDepth:
    """Encode a batch of depth maps, on their device.

    Parameters
    ----------
    depth : Tensor, float32, (N, H, W)
        Finite depths (see `check_finite`); minmax8 codes of an image with NaN or infinity are 0.
    encoding : {"minmax8", "metric16"}
    metres_per_unit : float, optional
        Metres in one unit of depth; metric16 needs it.

    Returns
    -------
    EncodedDepth

    Raises
    ------
    UsageError
        If the encoding does not fit (see `check_encoding`), or depth is not float32 (N, H, W).
    """
    check_encoding(encoding, metres_per_unit)
    if depth.ndim != 3 or depth.dtype != torch.float32 or not depth.numel():
        got = f"{depth.dtype} {tuple(depth.shape)}"
        raise refusal("depth", "non-empty float32 (N, H, W)", got, "convert it")
    low, high = torch.aminmax(depth.flatten(1), dim=1)
    if encoding == "minmax8":
        # A constant map divides 0 by 1; one with NaN or infinity has t = NaN, which becomes 0.
        span = torch.where(high > low, high - low, 1.0)
        t = (depth - low[:, None, None]).div_(span[:, None, None])
        t.mul_(255.0).add_(0.5).floor_().nan_to_num_(0.0, 0.0, 0.0).clamp_(0, 255)
        codes = t.to(torch.uint8)
    else:
        assert metres_per_unit is not None
        # float64, because float32 does not represent every multiple of 0.5 mm below 65.5 m.
        millimetres = depth.double().mul_(metres_per_unit * _MILLIMETRES)
        millimetres.add_(0.5).floor_().clamp_(1.0, 65535.0)
        measured = torch.isfinite(depth) & (depth > 0)
        codes = torch.where(measured, millimetres, 0.0).to(torch.int32).to(torch.uint16)
    return EncodedDepth(
        codes=codes, low=low, high=high, encoding=cast(Encoding, encoding),
        metres_per_unit=metres_per_unit,
    )  # fmt: skip


def decode(encoded: EncodedDepth) -> Tensor:
    """Return depth, float32 (N, H, W), in the estimator's unit; the module states the accuracy."""
    if encoded.encoding == "minmax8":
        t = encoded.codes.float() / 255.0
        return encoded.low[:, None, None] * (1.0 - t) + encoded.high[:, None, None] * t
    assert encoded.metres_per_unit is not None
    codes = encoded.codes.to(torch.int32).double()
    return (codes / (encoded.metres_per_unit * _MILLIMETRES)).float()
