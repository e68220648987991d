"""DenseDepth: a DenseNet encoder and a bilinear-upsampling decoder (Alhashim and Wonka, 2018).

Written from the paper (arXiv 1812.11941) and from the layer names and shapes of the authors' Keras
files. Everything in which released files differ is a field of `DenseDepthConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evafast.errors import UsageError, refusal

#: The encoder halves the image five times, so both sides must be multiples of this.
STRIDE = 32

#: BatchNorm counts its training batches; weights files leave that out.
BATCH_COUNTER = "num_batches_tracked"


@dataclass(frozen=True, kw_only=True)
class DenseDepthConfig:
    """Shape and conventions of one DenseDepth network."""

    blocks: tuple[int, ...] = (6, 12, 32, 32)
    """Dense layers per dense block: these in DenseNet-169, (6, 12, 48, 32) in DenseNet-201."""
    growth: int = 32
    """Channels that each dense layer adds."""
    stem: int = 64
    """Channels of the first convolution (the skip at half size)."""
    bottleneck: int = 4
    """A dense layer's 1x1 convolution has ``bottleneck * growth`` channels."""
    reduction: float = 0.5
    """Fraction of the channels that a transition keeps, in (0, 1]."""
    decoder_width: int | None = None
    """Channels of the decoder's ``conv2``, halved by each upsampling; None: the encoder's last."""
    inner_activation: bool = False
    """LeakyReLU between an upsampling's convolutions: none in nyu.h5, one in the later code."""
    align_corners: bool = True
    """Bilinear convention: True in the authors' files, False in their code since 2020-09."""
    final_relu: bool = True
    """ReLU after the encoder's last BatchNorm (keras-applications 1.0.6 and later)."""
    leaky_slope: float = 0.2
    """Negative slope of the decoder's LeakyReLU."""
    epsilon: float = 1.001e-5
    """Added to every BatchNorm variance; Keras's value, from which 1e-5 differs visibly."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        counts = (*self.blocks, self.growth, self.stem, self.bottleneck)
        # Exactly int, not bool; the bound keeps a damaged file from exhausting memory.
        if len(self.blocks) != 4 or any(type(n) is not int or not 1 <= n <= 4096 for n in counts):
            raise UsageError(
                f"blocks, growth, stem, bottleneck: expected 4 + 3 integers in 1..4096, got "
                f"{self.blocks}, {self.growth!r}, {self.stem!r}, {self.bottleneck!r}; correct them"
            )
        width = self.decoder_width
        if width is not None and (type(width) is not int or width < 16):
            expected = "None or an integer >= 16 (it is halved four times)"
            raise refusal("decoder_width", expected, repr(width), "give e.g. 256")
        if not 0 < self.reduction <= 1 or min(self.stage_channels) < 1 or not self.epsilon > 0:
            raise UsageError(
                "reduction, epsilon: expected a fraction in (0, 1] that leaves channels, and > 0, "
                f"got {self.reduction!r} and {self.epsilon!r}; Keras uses 0.5 and 1.001e-5"
            )

    @property
    def stage_channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the four skips (1/2, 1/4, 1/8, 1/16 size) and of the output (1/32 size)."""
        channels = self.stem
        kept = []
        for layers in self.blocks[:3]:
            channels = int((channels + layers * self.growth) * self.reduction)
            kept.append(channels)
        return self.stem, self.stem, kept[0], kept[1], kept[2] + self.blocks[3] * self.growth

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        return asdict(self) | {"blocks": list(self.blocks)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DenseDepthConfig:
        """Return the config that `to_dict` described; missing fields take their defaults."""
        if unknown := ", ".join(sorted(set(values) - {f.name for f in fields(cls)})):
            raise refusal("DenseDepth config", "known fields", unknown, "update evafast")
        return cls(**values)


DENSENET169 = DenseDepthConfig()


class DenseLayer(nn.Sequential):
    """From all channels so far to ``growth`` new ones, (N, growth, H, W)."""

    def __init__(self, channels: int, config: DenseDepthConfig) -> None:
        super().__init__()
        middle = config.bottleneck * config.growth
        self.bn0 = nn.BatchNorm2d(channels, eps=config.epsilon)
        self.relu0 = nn.ReLU()
        self.conv1 = nn.Conv2d(channels, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle, eps=config.epsilon)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(middle, config.growth, 3, padding=1, bias=False)


class DenseBlock(nn.Module):
    """Dense layers, each of which reads all channels before it."""

    def __init__(self, channels: int, layers: int, config: DenseDepthConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(channels + i * config.growth, config) for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input's channels followed by those of every layer."""
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        return x


class Transition(nn.Sequential):
    """From ``channels`` to ``kept``, at half size."""

    def __init__(self, channels: int, kept: int, config: DenseDepthConfig) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=config.epsilon)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(channels, kept, 1, bias=False)
        self.pool = nn.AvgPool2d(2)


class Encoder(nn.Module):
    """Keras's DenseNet without its classifier; also returns the decoder's four skips."""

    def __init__(self, config: DenseDepthConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, config.stem, 7, stride=2, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(config.stem, eps=config.epsilon)
        self.relu = nn.ReLU()
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        channels = config.stem
        for layers in config.blocks:
            self.blocks.append(DenseBlock(channels, layers, config))
            channels += layers * config.growth
            if len(self.blocks) < len(config.blocks):
                kept = int(channels * config.reduction)
                self.transitions.append(Transition(channels, kept, config))
                channels = kept
        self.final_bn = nn.BatchNorm2d(channels, eps=config.epsilon)
        self.final_relu = nn.ReLU() if config.final_relu else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the skips at 1/2, 1/4, 1/8, 1/16 size and the output at 1/32 size.

        Keras calls them conv1/relu, pool1, pool2_pool, pool3_pool and relu.
        """
        half = self.relu(self.bn(self.conv(x)))
        # After a ReLU, Keras's zero padding and torch's minus infinity give the same maximum.
        quarter = functional.max_pool2d(half, 3, stride=2, padding=1)
        eighth = self.transitions[0](self.blocks[0](quarter))
        sixteenth = self.transitions[1](self.blocks[1](eighth))
        x = self.blocks[3](self.transitions[2](self.blocks[2](sixteenth)))
        return half, quarter, eighth, sixteenth, self.final_relu(self.final_bn(x))


class Upsampling(nn.Module):
    """Bilinear x2, concatenate the skip, 3x3, 3x3, LeakyReLU."""

    def __init__(self, channels: int, skip: int, width: int, config: DenseDepthConfig) -> None:
        super().__init__()
        corners = config.align_corners
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=corners)
        leaky = nn.LeakyReLU(config.leaky_slope)
        self.conv_a = nn.Conv2d(channels + skip, width, 3, padding=1)
        self.inner = leaky if config.inner_activation else nn.Identity()
        self.conv_b = nn.Conv2d(width, width, 3, padding=1)
        self.leaky = leaky

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (N, width, 2H, 2W)."""
        x = self.inner(self.conv_a(torch.cat((self.enlarge(x), skip), 1)))
        return self.leaky(self.conv_b(x))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """1x1 convolution, four upsamplings, 3x3 convolution to one channel."""

    def __init__(self, config: DenseDepthConfig) -> None:
        super().__init__()
        *skips, end = config.stage_channels
        widths = [(config.decoder_width or end) >> i for i in range(5)]
        self.conv2 = nn.Conv2d(end, widths[0], 1)
        self.up = nn.ModuleList(
            Upsampling(before, skip, after, config)
            for before, after, skip in zip(widths[:-1], widths[1:], reversed(skips), strict=True)
        )
        self.conv3 = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, *stages: Tensor) -> Tensor:
        """Return (N, 1, H / 2, W / 2) from the five tensors of the encoder."""
        *skips, x = stages
        x = self.conv2(x)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
        return self.conv3(x.to(self.conv3.weight.dtype))  # type: ignore[no-any-return]


class DenseDepth(nn.Module):
    """The whole network; the default is that of the authors' nyu.h5."""

    def __init__(self, config: DenseDepthConfig = DENSENET169) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, images: Tensor) -> Tensor:
        """Return the raw output y (see `relative_depth`), float (N, 1, H / 2, W / 2).

        The images are RGB, float (N, 3, H, W) in [0, 1], with H and W multiples of 32.
        """
        sides = images.shape[2:]
        if images.ndim != 4 or images.shape[1] != 3 or 0 in sides or any(s % STRIDE for s in sides):
            expected = f"(N, 3, H, W) with H and W multiples of {STRIDE}"
            raise refusal("images", expected, tuple(images.shape), "resize them first")
        return self.decoder(*self.encoder(images))  # type: ignore[no-any-return]

    def assign(self, tensors: Mapping[str, Tensor], name: str) -> DenseDepth:
        """Make tensors the network's parameters and statistics; return it in eval mode.

        Their names are those of `state_dict`, without BatchNorm's batch counters. ``name`` is the
        quoted file, for messages. The network may be on the meta device.
        """
        counters = {k: torch.tensor(0) for k in self.state_dict() if k.endswith(BATCH_COUNTER)}
        try:
            self.load_state_dict({**tensors, **counters}, assign=True)
        except RuntimeError as error:
            got = f"others ({' '.join(str(error).split())[:300]})"
            raise refusal(name, "this network's tensors", got, "use a file of it") from error
        return self.eval()


def relative_depth(y: Tensor) -> Tensor:
    """Return depth in [0.01, 1] from the raw output y, both float of any shape.

    The network learns 1000 / depth with depth in 10..1000 (centimetres for NYU). A negative y
    clips to 0.01 and zero to 1, as in the authors' code; NaN stays NaN, so that it can be detected.
    """
    return torch.clamp(1000.0 / y, 10.0, 1000.0) / 1000.0
