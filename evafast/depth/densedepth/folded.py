"""DenseDepth rearranged for inference: the same function, fewer passes over memory.

- A BatchNorm after a convolution is folded into it. One before a ReLU (DenseNet is pre-activation)
  keeps its shift; its scale moves into the 1x1 convolution behind the ReLU.
- A dense block writes its layers' channels into one buffer instead of concatenating ever longer
  copies, an upsampling its skip beside its input; the buffers last from batch to batch.
- A transition's mean over 2x2 comes before its 1x1 convolution: both are linear, so they commute,
  and the convolution costs a quarter.
- The first convolution takes 0..255, which bf16 holds exactly; 1/255 is in its weights. The last
  one computes in float32, or bf16 would leave bands in the depth.

All folding is computed in float64 before the weights are rounded once to their dtype.
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

#: Below this a BatchNorm's scale stays where it is: dividing by it could overflow fp16.
_SMALLEST_MOVED_SCALE = 1 / 16


class Convolution(nn.Module):
    """A convolution whose weights were folded; the dtype's rounding comes last."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Buffer(weight.to(dtype, memory_format=torch.channels_last))
        self.bias = nn.Buffer(bias.to(dtype)) if bias is not None else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x."""
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class ShiftReLU(nn.Module):
    """What is left of bn and relu: ``relu(sign * x + shift)``.

    relu(s x + h) = |s| relu(sign(s) x + h / |s|); `moved` holds |s|, for the convolution behind.
    """

    def __init__(self, bn: nn.BatchNorm2d, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_and_shift(bn)
        size = scale.abs()
        self.moved = torch.where(size < _SMALLEST_MOVED_SCALE, 1.0, size)
        self.sign = nn.Buffer((scale / self.moved).to(dtype)[None, :, None, None])
        self.shift = nn.Buffer((shift / self.moved).to(dtype)[None, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor, dense and channels_last where x is (a view of) such."""
        return torch.addcmul(self.shift, x, self.sign).relu_()


def scale_and_shift(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return float64 (s, h) of shape (channels,) with ``bn(x) = s * x + h``."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight.double() / torch.sqrt(bn.running_var.double() + bn.eps)
    return scale, bn.bias.double() - bn.running_mean.double() * scale


class FoldedLayer(nn.Module):
    """A dense layer of two convolutions."""

    def __init__(self, layer: DenseLayer, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm = ShiftReLU(layer.bn0, dtype)
        scale, shift = scale_and_shift(layer.bn1)
        weight = layer.conv1.weight.double() * self.norm.moved[None, :, None, None]
        self.conv1 = Convolution(weight * scale[:, None, None, None], shift, dtype)
        self.conv2 = Convolution(layer.conv2.weight.double(), None, dtype, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the new channels."""
        return self.conv2(self.conv1(self.norm(x)).relu_())


class FoldedTransition(nn.Module):
    """A transition with the mean before the convolution."""

    def __init__(self, transition: Transition, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm = ShiftReLU(transition.bn, dtype)
        weight = transition.conv.weight.double() * self.norm.moved[None, :, None, None]
        self.conv = Convolution(weight, None, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, kept, H / 2, W / 2)."""
        return self.conv(functional.avg_pool2d(self.norm(x), 2))


class FoldedBlock(nn.Module):
    """A dense block in one buffer."""

    def __init__(self, block: DenseBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            FoldedLayer(cast(DenseLayer, layer), dtype) for layer in block.layers
        )

    def forward(self, x: Tensor, buffer: Tensor) -> Tensor:
        """Fill and return ``buffer`` (N, all channels, H, W)."""
        channels = x.shape[1]
        buffer[:, :channels].copy_(x)
        for layer in self.layers:
            new = layer(buffer[:, :channels])
            buffer[:, channels : channels + new.shape[1]].copy_(new)
            channels += new.shape[1]
        return buffer


class FoldedUpsampling(nn.Module):
    """An upsampling with its skip in one buffer."""

    def __init__(self, up: Upsampling, dtype: torch.dtype) -> None:
        super().__init__()
        self.align_corners, self.slope = up.align_corners, up.leaky_slope
        self.inner_activation = up.inner_activation
        self.conv_a = Convolution(up.conv_a.weight, up.conv_a.bias, dtype, padding=1)
        self.conv_b = Convolution(up.conv_b.weight, up.conv_b.bias, dtype, padding=1)

    def forward(self, x: Tensor, skip: Tensor, buffer: Tensor) -> Tensor:
        """Return (N, width, 2H, 2W); ``buffer`` is overwritten."""
        channels = x.shape[1]
        x = functional.interpolate(
            x, scale_factor=2, mode="bilinear", align_corners=self.align_corners
        )
        buffer[:, :channels].copy_(x)
        buffer[:, channels:].copy_(skip)
        x = self.conv_a(buffer)
        if self.inner_activation:
            x = functional.leaky_relu_(x, self.slope)
        return functional.leaky_relu_(self.conv_b(x), self.slope)


class FoldedDenseDepth(nn.Module):
    """A DenseDepth for inference only; it does not change with the network it was made from.

    Its buffers make it unfit for two threads at a time.

    Parameters
    ----------
    model : DenseDepth
        Its weights are copied; it may be in any mode and dtype.
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
        self.stem = Convolution(stem, shift, dtype, stride=2, padding=3)
        blocks = [FoldedBlock(cast(DenseBlock, block), dtype) for block in encoder.blocks]
        self.blocks = nn.ModuleList(blocks)
        self.transitions = nn.ModuleList(
            FoldedTransition(cast(Transition, transition), dtype)
            for transition in encoder.transitions
        )
        weight = decoder.conv2.weight.double()
        if config.final_relu:
            self.norm = ShiftReLU(encoder.final_bn, dtype)
            self.conv2 = Convolution(
                weight * self.norm.moved[None, :, None, None], decoder.conv2.bias, dtype
            )
        else:  # bn and conv2 are both linear, and a 1x1 convolution has no border
            scale, shift = scale_and_shift(encoder.final_bn)
            bias = cast(Tensor, decoder.conv2.bias) + weight[:, :, 0, 0] @ shift
            self.conv2 = Convolution(weight * scale[None, :, None, None], bias, dtype)
        self.up = nn.ModuleList(FoldedUpsampling(cast(Upsampling, up), dtype) for up in decoder.up)
        self.conv3 = Convolution(decoder.conv3.weight, decoder.conv3.bias, torch.float32, padding=1)
        skips, widths = config.stage_channels, config.decoder_channels
        ends = [
            before + layers * config.growth
            for before, layers in zip(skips[1:4], config.blocks, strict=False)
        ] + [skips[4]]
        #: (channels, how often the input is halved) of every buffer.
        self._plan = [(c, i) for i, c in enumerate(ends, 2)]
        self._plan += [(widths[i] + skips[3 - i], 4 - i) for i in range(4)]
        self._buffers_of: tuple[object, list[Tensor]] = (None, [])

    def _buffers_for(self, images: Tensor) -> list[Tensor]:
        n, _, h, w = images.shape
        key = (images.shape, images.device)
        if self._buffers_of[0] != key:
            self._buffers_of = (None, [])  # frees the old ones first
            self._buffers_of = (
                key,
                [
                    torch.empty(
                        (n, channels, h >> halved, w >> halved),
                        dtype=self.dtype,
                        device=images.device,
                        memory_format=torch.channels_last,
                    )
                    for channels, halved in self._plan
                ],
            )
        return self._buffers_of[1]

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
        *buffers, up1, up2, up3, up4 = self._buffers_for(images)
        half = self.stem(images).relu_()
        x = functional.max_pool2d(half, 3, stride=2, padding=1)
        skips = [half]
        for i, (block, buffer) in enumerate(zip(self.blocks, buffers, strict=True)):
            skips.append(x)
            x = block(x, buffer)
            if i < len(self.transitions):
                x = self.transitions[i](x)
        x = self.conv2(self.norm(x) if self.final_relu else x)
        for up, skip, buffer in zip(
            self.up, reversed(skips[:4]), (up1, up2, up3, up4), strict=True
        ):
            x = up(x, skip, buffer)
        return self.conv3(x.float())
