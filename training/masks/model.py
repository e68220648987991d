"""MaskDepthNet: (background, composite) -> mask of what was pasted, depth of the composite.

A residual U-Net: the encoder sees both images and their difference, and two decoders share its
skip connections, one for the mask, one for the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evafast.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Size of a `MaskDepthNet`.

    Attributes
    ----------
    widths : tuple of int
        Channels of the encoder's levels; each level after the first halves the resolution.
    blocks : tuple of int
        Residual blocks per level.
    mask_widths, depth_widths : tuple of int
        Channels of the decoders' levels, from coarse to fine; the output of a decoder that stops
        above the finest level is upsampled.
    fold : int
        Side of the squares of pixels that the stem folds into channels: the network works at
        ``size / fold``, and the mask's head unfolds again. 2 costs a quarter of 1.

    Raises
    ------
    UsageError
        If the tuples do not fit together.
    """

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    mask_widths: tuple[int, ...]
    depth_widths: tuple[int, ...]
    fold: int

    def __post_init__(self) -> None:
        levels = len(self.widths)
        if len(self.blocks) != levels:
            raise UsageError(f"blocks: expected {levels}, one per level, got {len(self.blocks)}")
        for name in ("mask_widths", "depth_widths"):
            if not 1 <= len(getattr(self, name)) < levels:
                raise UsageError(f"{name}: expected 1 to {levels - 1}, got {getattr(self, name)}")
        if min(*self.widths, *self.blocks, *self.mask_widths, *self.depth_widths, self.fold) < 1:
            raise UsageError(f"model: expected every number at least 1, got {self}")

    @property
    def stride(self) -> int:
        """An image's sides must be multiples of this."""
        return self.fold * 2 ** (len(self.widths) - 1)


PRESETS = {
    "full": ModelConfig(
        widths=(32, 64, 128, 256, 368), blocks=(1, 2, 2, 2, 2),
        mask_widths=(192, 96, 48, 32), depth_widths=(192, 96, 48), fold=1,
    ),
    "small": ModelConfig(
        widths=(24, 48, 96, 160), blocks=(1, 2, 2, 1),
        mask_widths=(64, 40, 24), depth_widths=(64, 32, 16), fold=2,
    ),
    "tiny": ModelConfig(
        widths=(16, 24, 32), blocks=(1, 1, 1), mask_widths=(24, 16), depth_widths=(16,), fold=2,
    ),
}  # fmt: skip


class MaskDepthNet(nn.Module):
    """Predicts the mask's logits and the depth.

    Parameters
    ----------
    config : ModelConfig
    depth_scale : float
        Mean of the depth to learn; the network's depth starts there.
    """

    depth_scale: Tensor

    def __init__(self, config: ModelConfig, depth_scale: float = 1.0) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("depth_scale", torch.tensor(float(depth_scale)))
        self.stem = _conv(9 * config.fold**2, config.widths[0])
        self.levels = nn.ModuleList()
        before = config.widths[0]
        for level, (width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            first = ResidualBlock(before, width, stride=1 if level == 0 else 2)
            rest = [ResidualBlock(width, width) for _ in range(blocks - 1)]
            self.levels.append(nn.Sequential(first, *rest))
            before = width
        self.mask_decoder = Decoder(config.widths, config.mask_widths, config.fold**2)
        self.depth_decoder = Decoder(config.widths, config.depth_widths, 1)
        nn.init.ones_(self.depth_decoder.head.bias)

    def forward(self, background: Tensor, composite: Tensor) -> tuple[Tensor, Tensor]:
        """Return mask logits and depth.

        Parameters
        ----------
        background, composite : Tensor, (n, 3, h, w)
            RGB, 0..1; sides are multiples of ``config.stride``.

        Returns
        -------
        logits : Tensor, (n, 1, h, w)
            Of the mask.
        depth : Tensor, (n, 1, h, w)
            In the teacher's unit.
        """
        # Standardizing each image nearly cancels differences in exposure and white balance.
        background, composite = standardized(background), standardized(composite)
        x = torch.cat((background, composite, composite - background), 1)
        x = self.stem(functional.pixel_unshuffle(x, self.config.fold))
        skips = []
        for level in self.levels:
            x = level(x)
            skips.append(x)
        size = composite.shape[2:]
        mask = functional.pixel_shuffle(self.mask_decoder(skips), self.config.fold)
        depth = self.depth_decoder(skips).float() * self.depth_scale
        return _resized(mask.float(), size), _resized(depth, size)


class Decoder(nn.Module):
    """Upsamples from the coarsest level, one skip per step, and ends in a 3x3 head."""

    def __init__(self, skip_widths: Sequence[int], widths: Sequence[int], out: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        before = skip_widths[-1]
        for skip, width in zip(reversed(skip_widths[:-1]), widths, strict=False):
            self.steps.append(nn.Sequential(_conv(before + skip, width), _conv(width, width)))
            before = width
        self.head = nn.Conv2d(before, out, 3, padding=1)

    def forward(self, skips: list[Tensor]) -> Tensor:
        """Return the head's output at the resolution of the last skip used."""
        x = skips[-1]
        for step, skip in zip(self.steps, reversed(skips[:-1]), strict=False):
            x = step(torch.cat((_resized(x, skip.shape[2:]), skip), 1))
        return self.head(x)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution if the shape changes."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _conv(before, width, stride)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)  # start as the identity
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(before, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor with the block's width, downsampled by its stride."""
        return functional.relu(self.norm(self.second(self.first(x))) + self.shortcut(x))


def standardized(image: Tensor) -> Tensor:
    """Return images with mean 0 and standard deviation 1 in each channel.

    The deviation has a floor of 0.05, so as not to amplify the noise of a plain wall.
    """
    mean = image.mean((2, 3), keepdim=True)
    deviation = (image - mean).square().mean((2, 3), keepdim=True).sqrt()
    return (image - mean) / deviation.clamp(min=0.05)


def build(preset: str, depth_scale: float = 1.0) -> MaskDepthNet:
    """Return the network of a preset.

    Raises
    ------
    UsageError
        If there is no such preset.
    """
    if preset not in PRESETS:
        raise UsageError(f"preset: expected {', '.join(PRESETS)}, got {preset!r}; choose one")
    return MaskDepthNet(PRESETS[preset], depth_scale)


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _conv(before: int, width: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return functional.interpolate(x, tuple(size), mode="bilinear", align_corners=False)
