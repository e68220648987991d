"""Losses of mask and depth, and the weights by which they are added.

To add a loss, register a function of prediction and truth; a weight then puts it to use::

    DEPTH_LOSSES["huber"] = torch.nn.functional.huber_loss
    LossConfig.parse("bce=1,dice=1,huber=0.5")          # or --losses bce=1,dice=1,huber=0.5
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from kornia.filters import spatial_gradient
from torch import Tensor
from torch.nn import functional

from evafast import UsageError
from training.losses import ssim_loss

Loss = Callable[[Tensor, Tensor], Tensor]


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - soft Dice, averaged over images, with 1 added above and below the line."""
    p = logits.sigmoid()
    both = (p * mask).sum((1, 2, 3))
    return 1 - ((2 * both + 1) / (p.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)).mean()


def rmse_loss(depth: Tensor, truth: Tensor) -> Tensor:
    """Return the root mean squared error, with a finite gradient at 0."""
    return (functional.mse_loss(depth, truth) + 1e-8).sqrt()


def depth_ssim_loss(depth: Tensor, truth: Tensor) -> Tensor:
    """Return the structural dissimilarity in windows of 7 pixels."""
    return ssim_loss(depth, truth, window=7)


def gradient_loss(depth: Tensor, truth: Tensor) -> Tensor:
    """Return the L1 distance between the horizontal and vertical gradients."""
    return spatial_gradient(depth - truth, mode="diff").abs().mean()


MASK_LOSSES: dict[str, Loss] = {
    "bce": functional.binary_cross_entropy_with_logits,
    "dice": dice_loss,
}
"""Functions of logits and true coverage (0..1), both (n, 1, h, w)."""

DEPTH_LOSSES: dict[str, Loss] = {
    "l1": functional.l1_loss,
    "rmse": rmse_loss,
    "ssim": depth_ssim_loss,
    "gradient": gradient_loss,
}
"""Functions of predicted and true depth, both (n, 1, h, w), in units of the mean depth."""


def _default_weights() -> dict[str, float]:
    return {"bce": 1.0, "dice": 1.0, "l1": 0.5, "ssim": 0.1, "gradient": 0.5}


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses.

    Attributes
    ----------
    weights : mapping of str to float
        By name in `MASK_LOSSES` and `DEPTH_LOSSES`; those not named, or 0, are not computed.

    Raises
    ------
    UsageError
        If a name is not registered, a weight is out of range, or no loss of the mask is used.
    """

    weights: Mapping[str, float] = field(default_factory=_default_weights)

    def __post_init__(self) -> None:
        known = MASK_LOSSES | DEPTH_LOSSES
        for name, weight in self.weights.items():
            if name not in known:
                raise UsageError(
                    f"losses: expected names among {', '.join(known)}, got {name!r}; choose another"
                )
            if not 0 <= weight <= 1000:
                raise UsageError(f"loss {name}: expected 0 to 1000, got {weight:g}; choose another")
        object.__setattr__(self, "weights", {n: w for n, w in self.weights.items() if w})
        if not any(name in MASK_LOSSES for name in self.weights):
            raise UsageError(
                f"losses: expected a weight above 0 for {' or '.join(MASK_LOSSES)}, got none; "
                f"add bce=1"
            )

    @classmethod
    def parse(cls, text: str) -> LossConfig:
        """Read text such as ``bce=1,dice=0.5``; losses that are not named are not used.

        Raises
        ------
        UsageError
            If the text has another form, or as for the class.
        """
        weights = {}
        for item in text.split(","):
            name, _, weight = item.strip().partition("=")
            try:
                weights[name] = float(weight)
            except ValueError:
                raise UsageError(
                    f"losses: expected NAME=WEIGHT,..., got {item!r}; write bce=1,dice=1,l1=0.5"
                ) from None
        return cls(weights)

    def __str__(self) -> str:
        return ",".join(f"{name}={weight:g}" for name, weight in self.weights.items())


def compute_losses(
    config: LossConfig, logits: Tensor, mask: Tensor, depth: Tensor, truth: Tensor | None,
    depth_scale: Tensor,
) -> dict[str, Tensor]:  # fmt: skip
    """Return each loss that has a weight, unweighted, and their weighted sum as ``loss``.

    Parameters
    ----------
    config : LossConfig
    logits, mask : Tensor, (n, 1, h, w)
        Predicted logits, true coverage 0..1.
    depth, truth : Tensor, (n, 1, h, w)
        In the teacher's unit; without truth the losses of the depth are skipped.
    depth_scale : Tensor
        Unit of the depth's losses.
    """
    losses = {}
    for name in config.weights:
        if name in MASK_LOSSES:
            losses[name] = MASK_LOSSES[name](logits, mask)
        elif truth is not None:
            losses[name] = DEPTH_LOSSES[name](depth / depth_scale, truth / depth_scale)
    total = torch.stack([config.weights[name] * value for name, value in losses.items()]).sum()
    return losses | {"loss": total}
