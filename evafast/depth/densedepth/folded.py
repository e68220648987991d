"""DenseDepth rearranged for inference: the same function, fewer passes over memory.

- A BatchNorm after a convolution is folded into it. One before a ReLU (DenseNet is pre-activation)
  keeps its shift; its scale moves into the 1x1 convolution behind the ReLU.
- A dense block writes the channels of its layers into one tensor instead of concatenating ever
  longer copies.
- A transition's 2x2 mean comes before its 1x1 convolution: both are linear, so they commute, and
  the convolution costs a quarter.
- The first convolution takes 0..255, which bf16 represents exactly; 1/255 is in its weights. The
  last one computes in float32, because bf16 would leave bands in the depth.

All folding is computed in float64; the weights are rounded once to their dtype.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from evafast.depth.densedepth.network import (
    DenseBlock,
    DenseDepth,
    DenseLayer,
    Transition,
    Upsampling,
    check_input,
)

#: A smaller BatchNorm scale does not move: dividing by it could overflow fp16.
_MIN_MOVED_SCALE = 1 / 16


def convolution(
    weight: Tensor, bias: Tensor | None, dtype: torch.dtype, stride: int = 1, padding: int = 0
) -> nn.Conv2d:
    """Return a convolution with folded weights, which are rounded to the dtype here."""
    after, before, size, _ = weight.shape
    layer = nn.Conv2d(before, after, size, stride, padding, bias=False, device="meta")
    weight = weight.to(dtype, memory_format=torch.channels_last, copy=True)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(dtype, copy=True), requires_grad=False)
    return layer


class ShiftReLU(nn.Module):
    """The remainder of bn and relu: ``relu(sign * x + shift)``.

    relu(s x + h) = |s| relu(sign(s) x + h / |s|); `moved` is |s|, for the convolution behind.
    """

    def __init__(self, bn: nn.BatchNorm2d, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_and_shift(bn)
        size = scale.abs()
        self.moved = torch.where(size < _MIN_MOVED_SCALE, 1.0, size)
        self.sign = nn.Buffer((scale / self.moved).to(dtype)[None, :, None, None])
        self.shift = nn.Buffer((shift / self.moved).to(dtype)[None, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor, dense, and channels_last where x is (or is a view of) one."""
        return torch.addcmul(self.shift, x, self.sign).relu_()


def scale_and_shift(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return float64 (s, h) of shape (channels,) with ``bn(x) = s * x + h``."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight.double() / torch.sqrt(bn.running_var.double() + bn.eps)
    return scale, bn.bias.double() - bn.running_mean.double() * scale


class FoldedLayer(nn.Module):
    """A dense layer as two convolutions."""

    def __init__(self, layer: DenseLayer, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm = ShiftReLU(layer.bn0, dtype)
        scale, shift = scale_and_shift(layer.bn1)
        weight = layer.conv1.weight.double() * self.norm.moved[None, :, None, None]
        self.conv1 = convolution(weight * scale[:, None, None, None], shift, dtype)
        self.conv2 = convolution(layer.conv2.weight.double(), None, dtype, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the new channels."""
        return cast(Tensor, self.conv2(self.conv1(self.norm(x)).relu_()))


class FoldedTransition(nn.Module):
    """A transition with the mean before the convolution."""

    def __init__(self, transition: Transition, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm = ShiftReLU(transition.bn, dtype)
        weight = transition.conv.weight.double() * self.norm.moved[None, :, None, None]
        self.conv = convolution(weight, None, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, kept, H / 2, W / 2)."""
        return cast(Tensor, self.conv(functional.avg_pool2d(self.norm(x), 2)))


class FoldedBlock(nn.Module):
    """A dense block in one tensor."""

    def __init__(self, block: DenseBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.added = sum(cast(DenseLayer, layer).conv2.out_channels for layer in block.layers)
        self.layers = nn.ModuleList(
            FoldedLayer(cast(DenseLayer, layer), dtype) for layer in block.layers
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input's channels followed by those of every layer."""
        n, channels, h, w = x.shape
        whole = torch.empty(
            (n, channels + self.added, h, w),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        whole[:, :channels].copy_(x)
        for layer in self.layers:
            new = layer(whole[:, :channels])
            whole[:, channels : channels + new.shape[1]].copy_(new)
            channels += new.shape[1]
        return whole


class FoldedUpsampling(nn.Module):
    """An upsampling with folded convolutions."""

    def __init__(self, up: Upsampling, dtype: torch.dtype) -> None:
        super().__init__()
        self.align_corners, self.slope = up.align_corners, up.leaky_slope
        self.inner_activation = up.inner_activation
        self.conv_a = convolution(up.conv_a.weight, up.conv_a.bias, dtype, padding=1)
        self.conv_b = convolution(up.conv_b.weight, up.conv_b.bias, dtype, padding=1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (N, width, 2H, 2W)."""
        x = functional.interpolate(
            x, scale_factor=2, mode="bilinear", align_corners=self.align_corners
        )
        x = self.conv_a(torch.cat((x, skip), 1))
        if self.inner_activation:
            x = functional.leaky_relu_(x, self.slope)
        return functional.leaky_relu_(self.conv_b(x), self.slope)


class FoldedDenseDepth(nn.Module):
    """A DenseDepth for inference only, with its own copy of the weights.

    Parameters
    ----------
    model : DenseDepth
        In any mode and dtype.
    dtype : torch.dtype
        Of weights and activations.
    """

    @torch.no_grad()
    def __init__(self, model: DenseDepth, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        encoder, decoder, config = model.encoder, model.decoder, model.config
        self.dtype, self.final_relu = dtype, config.final_relu
        scale, shift = scale_and_shift(encoder.bn)
        stem = encoder.conv.weight.double() * scale[:, None, None, None] / 255
        self.stem = convolution(stem, shift, dtype, stride=2, padding=3)
        self.blocks = nn.ModuleList(
            FoldedBlock(cast(DenseBlock, block), dtype) for block in encoder.blocks
        )
        self.transitions = nn.ModuleList(
            FoldedTransition(cast(Transition, transition), dtype)
            for transition in encoder.transitions
        )
        weight, bias = decoder.conv2.weight.double(), cast(Tensor, decoder.conv2.bias)
        if config.final_relu:
            self.norm = ShiftReLU(encoder.final_bn, dtype)
            scale = self.norm.moved
        else:  # bn and conv2 are both linear, and a 1x1 convolution has no border
            scale, shift = scale_and_shift(encoder.final_bn)
            bias = bias + weight[:, :, 0, 0] @ shift
        self.conv2 = convolution(weight * scale[None, :, None, None], bias, dtype)
        self.up = nn.ModuleList(FoldedUpsampling(cast(Upsampling, up), dtype) for up in decoder.up)
        self.conv3 = convolution(decoder.conv3.weight, decoder.conv3.bias, torch.float32, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the raw output y.

        Parameters
        ----------
        images : Tensor, `dtype`, (N, 3, H, W), channels_last
            RGB in 0..255; H and W multiples of 32.

        Returns
        -------
        Tensor, float32, (N, 1, H / 2, W / 2)
        """
        check_input(images)
        half = self.stem(images).relu_()
        x = functional.max_pool2d(half, 3, stride=2, padding=1)
        skips = [half]
        for i, block in enumerate(self.blocks):
            skips.append(x)
            x = block(x)
            if i < len(self.transitions):
                x = self.transitions[i](x)
        x = self.conv2(self.norm(x) if self.final_relu else x)
        for up, skip in zip(self.up, reversed(skips[:4]), strict=True):
            x = up(x, skip)
        return cast(Tensor, self.conv3(x.float()))
