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

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn

from evafast.depth.densedepth.network import (
    STRIDE,
    DenseBlock,
    DenseDepth,
    DenseLayer,
    Transition,
    relative_depth,
)
from evafast.depth.densedepth.weights import load_weights
from evafast.depth.models import Kind, LoadOptions, fitted_size

#: A smaller BatchNorm scale is not moved: dividing by it could overflow fp16.
_MIN_MOVED_SCALE = 1 / 16


def convolution(
    weight: Tensor, bias: Tensor | None, dtype: torch.dtype, stride: int = 1, padding: int = 0
) -> nn.Conv2d:
    """Return a convolution with folded weights, which are rounded to the dtype here."""
    after, before, size, _ = weight.shape
    layer = nn.Conv2d(before, after, size, stride, padding, bias=False, device="meta")
    layer.weight = nn.Parameter(weight.to(dtype, memory_format=torch.channels_last, copy=True))
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(dtype, copy=True))
    return layer


def scale_and_shift(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return float64 (s, h) of shape (channels,) with ``bn(x) = s * x + h``."""
    mean, variance = cast(Tensor, bn.running_mean), cast(Tensor, bn.running_var)
    scale = bn.weight.double() / torch.sqrt(variance.double() + bn.eps)
    return scale, bn.bias.double() - mean.double() * scale


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
        """Return a new dense tensor, channels_last if x is one or is a view of one."""
        return torch.addcmul(self.shift, x, self.sign).relu_()

    def moved_into(self, weight: Tensor) -> Tensor:
        """Return a 1x1 convolution's weights, float64, with the moved scale."""
        return weight.double() * self.moved[None, :, None, None]


def folded_layer(layer: DenseLayer, dtype: torch.dtype) -> nn.Sequential:
    """Return a dense layer as two convolutions."""
    norm = ShiftReLU(layer.bn0, dtype)
    scale, shift = scale_and_shift(layer.bn1)
    weight = norm.moved_into(layer.conv1.weight) * scale[:, None, None, None]
    return nn.Sequential(
        norm, convolution(weight, shift, dtype), nn.ReLU(),
        convolution(layer.conv2.weight, None, dtype, padding=1),
    )  # fmt: skip


def folded_transition(transition: Transition, dtype: torch.dtype) -> nn.Sequential:
    """Return a transition with the mean before the convolution."""
    norm = ShiftReLU(transition.bn, dtype)
    conv = convolution(norm.moved_into(transition.conv.weight), None, dtype)
    return nn.Sequential(norm, nn.AvgPool2d(2), conv)


class FoldedBlock(nn.Module):
    """A dense block in one tensor."""

    def __init__(self, block: DenseBlock, dtype: torch.dtype) -> None:
        super().__init__()
        layers = [cast(DenseLayer, layer) for layer in block.layers]
        self.added = sum(layer.conv2.out_channels for layer in layers)
        self.layers = nn.ModuleList(folded_layer(layer, dtype) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the input's channels followed by those of every layer."""
        n, channels, h, w = x.shape
        size = (n, channels + self.added, h, w)
        whole = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        whole[:, :channels].copy_(x)
        for layer in self.layers:
            new = layer(whole[:, :channels])
            whole[:, channels : channels + new.shape[1]].copy_(new)
            channels += new.shape[1]
        return whole


@torch.no_grad()
def folded(model: DenseDepth, dtype: torch.dtype = torch.float32) -> DenseDepth:
    """Return a network for inference only, with its own weights, from one in any mode and dtype.

    It takes images in 0..255, of this dtype and channels_last, and returns float32.
    """
    encoder, decoder = model.encoder, model.decoder
    with torch.device("meta"):  # every part is replaced
        network: Any = DenseDepth(model.config)
    scale, shift = scale_and_shift(encoder.bn)
    stem = encoder.conv.weight.double() * scale[:, None, None, None] / 255
    network.encoder.conv = convolution(stem, shift, dtype, stride=2, padding=3)
    network.encoder.bn = nn.Identity()
    network.encoder.blocks = nn.ModuleList(
        FoldedBlock(cast(DenseBlock, block), dtype) for block in encoder.blocks
    )
    network.encoder.transitions = nn.ModuleList(
        folded_transition(cast(Transition, transition), dtype) for transition in encoder.transitions
    )
    weight, bias = decoder.conv2.weight.double(), cast(Tensor, decoder.conv2.bias)
    if model.config.final_relu:
        network.encoder.final_bn = ShiftReLU(encoder.final_bn, dtype)
        network.encoder.final_relu = nn.Identity()
        weight = network.encoder.final_bn.moved_into(weight)
    else:  # bn and conv2 are both linear, and a 1x1 convolution has no border
        network.encoder.final_bn = nn.Identity()
        scale, shift = scale_and_shift(encoder.final_bn)
        bias = bias + weight[:, :, 0, 0] @ shift
        weight = weight * scale[None, :, None, None]
    network.decoder.conv2 = convolution(weight, bias, dtype)
    up: Any = copy.deepcopy(decoder.up)
    network.decoder.up = up.to(dtype, memory_format=torch.channels_last)
    conv3 = convolution(decoder.conv3.weight, decoder.conv3.bias, torch.float32, padding=1)
    network.decoder.conv3 = conv3
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.LeakyReLU):
            module.inplace = True
    return cast(DenseDepth, network.requires_grad_(False).eval())


class DenseDepthNetwork:
    """DenseDepth weights, folded, on a device; implements `evafast.depth.models.Network`."""

    kind: Kind = "relative"

    def __init__(self, model: str, options: LoadOptions) -> None:
        weights = load_weights(
            model, offline=options.offline, progress=options.progress,
            inner_activation=options.inner_activation, align_corners=options.align_corners,
        )  # fmt: skip
        self.metres_per_unit = weights.metres_per_unit
        self._identity = {"sha256": weights.sha256, "config": weights.model.config.to_dict()}
        network: Any = folded(weights.model, options.dtype).to(options.device)
        network = torch.compile(network, dynamic=False) if options.compile else network
        self._network = CudaGraphed(network) if options.device.type == "cuda" else network

    def identity(self) -> dict[str, Any]:
        """Return the SHA-256 of the file and the config."""
        return self._identity

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return sides that are multiples of the stride, the shorter one ``input_size``."""
        return fitted_size(height, width, input_size, STRIDE)

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return relative depth at half size, and whether the raw output was finite."""
        y = self._network(images)[:, 0]
        return relative_depth(y), torch.isfinite(y).flatten(1).all(1)


class CudaGraphed(nn.Module):
    """A network captured as a CUDA graph, so that the host launches once per batch.

    The first batch of each image size is captured. Smaller batches run in the same graph, whose
    remaining rows keep stale data; a larger batch or another image size replaces the graph.
    Nothing here waits for the device. The network maps one CUDA tensor (N, ...) to another, row by
    row, without host syncs.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._graph: torch.cuda.CUDAGraph | None = None
        self._images = self._output = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        """Return a copy of the network's output, which the next batch does not overwrite."""
        n = len(images)
        if (
            self._graph is None
            or n > len(self._images)
            or images.shape[1:] != self._images.shape[1:]
            or images.dtype != self._images.dtype
        ):
            self._graph = None  # frees the old graph's memory first
            self._graph = self._capture(images)
        self._images[:n].copy_(images)
        self._graph.replay()
        return self._output[:n].clone()

    def _capture(self, images: Tensor) -> torch.cuda.CUDAGraph:
        self._images = images.clone(memory_format=torch.preserve_format)
        # Warm up outside the capture: kernels load, and the network allocates its buffers.
        stream = torch.cuda.Stream(images.device)
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.network(self._images)
        torch.cuda.current_stream(images.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(images.device), torch.cuda.graph(graph):
            self._output = self.network(self._images)
        return graph
