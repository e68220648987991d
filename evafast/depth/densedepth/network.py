"""DenseDepth: a DenseNet encoder and a bilinear-upsampling decoder (Alhashim and Wonka, 2018).

Written from the paper (arXiv 1812.11941) and from the layer names and shapes of the authors' Keras
files. Everything in which released files differ is an explicit field of `DenseDepthConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evafast.errors import UsageError

#: Keras's DenseNet writes this epsilon out; torchvision's 1e-5 differs visibly where variances
#: are small.
KERAS_DENSENET_EPSILON = 1.001e-5

#: Encoder stages halve the image five times, so both sides must be multiples of this.
STRIDE = 32

#: No count is larger, so that a damaged file cannot ask for all memory.
_MOST = 4096


@dataclass(frozen=True, kw_only=True)
class DenseDepthConfig:
    """Shape and conventions of one DenseDepth network.

    Parameters
    ----------
    blocks : tuple of 4 int
        Dense layers in each of the four dense blocks: DenseNet-169 is (6, 12, 32, 32).
    growth : int
        Channels that each dense layer adds.
    stem : int
        Channels of the first convolution (the skip at half size).
    bottleneck : int
        A dense layer's 1x1 convolution has ``bottleneck * growth`` channels.
    reduction : float
        Part of the channels that a transition keeps, in (0, 1].
    decoder_width : int or None
        Channels of the decoder's 1x1 ``conv2``; each of the four upsamplings halves them. None
        means as many as the encoder gives (1664 for DenseNet-169).
    inner_activation : bool
        LeakyReLU between the two 3x3 convolutions of an upsampling. The authors' nyu.h5 and
        kitti.h5 have none; their later code has one.
    align_corners : bool
        Bilinear convention: True in the authors' files, False (half-pixel) in their code since
        2020-09.
    final_relu : bool
        ReLU after the encoder's last BatchNorm (keras-applications 1.0.6 and later).
    leaky_slope : float
        Negative slope of the decoder's LeakyReLU.
    epsilon : float
        Added to every BatchNorm variance.
    """

    blocks: tuple[int, ...] = (6, 12, 32, 32)
    growth: int = 32
    stem: int = 64
    bottleneck: int = 4
    reduction: float = 0.5
    decoder_width: int | None = None
    inner_activation: bool = False
    align_corners: bool = True
    final_relu: bool = True
    leaky_slope: float = 0.2
    epsilon: float = KERAS_DENSENET_EPSILON

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.blocks) != 4:
            raise UsageError(
                f"blocks: expected 4 counts, got {len(self.blocks)}; give e.g. 6,12,32,32"
            )
        counts = {f"blocks[{i}]": n for i, n in enumerate(self.blocks)}
        counts |= {name: getattr(self, name) for name in ("growth", "stem", "bottleneck")}
        for name, count in counts.items():
            if not _is_int(count) or not 1 <= count <= _MOST:
                raise UsageError(
                    f"{name}: expected a whole number in 1..{_MOST}, got {count!r}; give e.g. 32"
                )
        if not 0 < self.reduction <= 1:
            raise UsageError(
                f"reduction: expected a part in (0, 1], got {self.reduction!r}; give e.g. 0.5"
            )
        if self.decoder_width is not None and (
            not _is_int(self.decoder_width) or self.decoder_width < 16
        ):
            raise UsageError(
                f"decoder_width: expected None or a whole number >= 16 (it is halved four times), "
                f"got {self.decoder_width!r}; give e.g. 256"
            )
        if not self.epsilon > 0:
            raise UsageError(
                f"epsilon: expected a number > 0, got {self.epsilon!r}; Keras uses 1.001e-5"
            )
        if min(self.stage_channels) < 1:
            raise UsageError(
                "reduction: expected at least one channel after each transition; give a larger part"
            )

    @property
    def stage_channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the four skips (1/2, 1/4, 1/8, 1/16 size) and of the encoder's end (1/32)."""
        channels = self.stem
        kept = []
        for layers in self.blocks[:3]:
            channels = int((channels + layers * self.growth) * self.reduction)
            kept.append(channels)
        return self.stem, self.stem, kept[0], kept[1], kept[2] + self.blocks[3] * self.growth

    @property
    def decoder_channels(self) -> tuple[int, int, int, int, int]:
        """Channels of ``conv2`` and of the four upsamplings."""
        width = self.decoder_width or self.stage_channels[-1]
        return width, width // 2, width // 4, width // 8, width // 16

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        return asdict(self) | {"blocks": list(self.blocks)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DenseDepthConfig:
        """Return the config that `to_dict` described; missing fields take their defaults.

        Raises
        ------
        UsageError
            If a name is not a field or a value is not valid.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise UsageError(
                f"densedepth config: expected known fields, got {', '.join(unknown)}; update evafast"
            )
        return cls(**values)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


DENSENET169 = DenseDepthConfig()
DENSENET201 = DenseDepthConfig(blocks=(6, 12, 48, 32))

#: The named block configurations of Keras's DenseNets.
PRESETS = {"densenet169": DENSENET169, "densenet201": DENSENET201}


class DenseLayer(nn.Module):
    """Pre-activation bottleneck: bn, relu, 1x1, bn, relu, 3x3; gives ``growth`` new channels."""

    def __init__(self, channels: int, config: DenseDepthConfig) -> None:
        super().__init__()
        middle = config.bottleneck * config.growth
        self.bn0 = nn.BatchNorm2d(channels, eps=config.epsilon)
        self.conv1 = nn.Conv2d(channels, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle, eps=config.epsilon)
        self.conv2 = nn.Conv2d(middle, config.growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the new channels alone, shape (N, growth, H, W)."""
        x = self.conv1(functional.relu(self.bn0(x)))
        return self.conv2(functional.relu(self.bn1(x)))


class DenseBlock(nn.Module):
    """Dense layers, each of which reads all channels before it."""

    def __init__(self, channels: int, layers: int, config: DenseDepthConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(channels + i * config.growth, config) for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input's channels followed by every layer's."""
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        return x


class Transition(nn.Module):
    """bn, relu, 1x1 to ``reduction`` of the channels, mean over 2x2."""

    def __init__(self, channels: int, kept: int, config: DenseDepthConfig) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=config.epsilon)
        self.conv = nn.Conv2d(channels, kept, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, kept, H // 2, W // 2)."""
        return functional.avg_pool2d(self.conv(functional.relu(self.bn(x))), 2)


class Encoder(nn.Module):
    """Keras's DenseNet without its classifier, giving the decoder's four skips as well."""

    def __init__(self, config: DenseDepthConfig) -> None:
        super().__init__()
        self.final_relu = config.final_relu
        self.conv = nn.Conv2d(3, config.stem, 7, stride=2, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(config.stem, eps=config.epsilon)
        blocks, transitions = [], []
        channels = config.stem
        for layers in config.blocks:
            blocks.append(DenseBlock(channels, layers, config))
            channels += layers * config.growth
            if len(blocks) < len(config.blocks):
                kept = int(channels * config.reduction)
                transitions.append(Transition(channels, kept, config))
                channels = kept
        self.blocks = nn.ModuleList(blocks)
        self.transitions = nn.ModuleList(transitions)
        self.final_bn = nn.BatchNorm2d(channels, eps=config.epsilon)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the skips at 1/2, 1/4, 1/8, 1/16 size and the end at 1/32 size.

        Keras calls them conv1/relu, pool1, pool2_pool, pool3_pool and relu.
        """
        half = functional.relu(self.bn(self.conv(x)))
        # After a ReLU, Keras's zero padding and torch's minus infinity give the same maximum.
        quarter = functional.max_pool2d(half, 3, stride=2, padding=1)
        eighth = self.transitions[0](self.blocks[0](quarter))
        sixteenth = self.transitions[1](self.blocks[1](eighth))
        x = self.blocks[3](self.transitions[2](self.blocks[2](sixteenth)))
        x = self.final_bn(x)
        return half, quarter, eighth, sixteenth, functional.relu(x) if self.final_relu else x


class Upsampling(nn.Module):
    """Bilinear x2, concatenate the skip, 3x3, 3x3, LeakyReLU."""

    def __init__(self, channels: int, skip: int, width: int, config: DenseDepthConfig) -> None:
        super().__init__()
        self.align_corners = config.align_corners
        self.leaky_slope = config.leaky_slope
        self.inner_activation = config.inner_activation
        self.conv_a = nn.Conv2d(channels + skip, width, 3, padding=1)
        self.conv_b = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (N, width, 2H, 2W)."""
        x = functional.interpolate(
            x, scale_factor=2, mode="bilinear", align_corners=self.align_corners
        )
        x = self.conv_a(torch.cat((x, skip), 1))
        if self.inner_activation:
            x = functional.leaky_relu(x, self.leaky_slope)
        return functional.leaky_relu(self.conv_b(x), self.leaky_slope)


class Decoder(nn.Module):
    """1x1 convolution, four upsamplings, 3x3 convolution to one channel."""

    def __init__(self, config: DenseDepthConfig) -> None:
        super().__init__()
        *skips, end = config.stage_channels
        widths = config.decoder_channels
        self.conv2 = nn.Conv2d(end, widths[0], 1)
        self.up = nn.ModuleList(
            Upsampling(before, skip, after, config)
            for before, after, skip in zip(widths[:-1], widths[1:], reversed(skips), strict=True)
        )
        self.conv3 = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(
        self, half: Tensor, quarter: Tensor, eighth: Tensor, sixteenth: Tensor, end: Tensor
    ) -> Tensor:
        """Return (N, 1, H / 2, W / 2) from the encoder's five stages."""
        x = self.conv2(end)
        for up, skip in zip(self.up, (sixteenth, eighth, quarter, half), strict=True):
            x = up(x, skip)
        return self.conv3(x)


class DenseDepth(nn.Module):
    """The whole network.

    Parameters
    ----------
    config : DenseDepthConfig
        Shape and conventions; the default is the authors' nyu.h5.
    """

    def __init__(self, config: DenseDepthConfig = DENSENET169) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, images: Tensor) -> Tensor:
        """Return the raw output y (see `relative_depth`).

        Parameters
        ----------
        images : Tensor, float, (N, 3, H, W)
            RGB in [0, 1]; H and W multiples of 32.

        Returns
        -------
        Tensor, float, (N, 1, H / 2, W / 2)
        """
        check_input(images)
        return self.decoder(*self.encoder(images))


def check_input(images: Tensor) -> None:
    """Refuse images that the network's strides do not divide.

    Raises
    ------
    UsageError
        If the shape is not (N, 3, H, W) with H and W multiples of 32.
    """
    if (
        images.ndim != 4
        or images.shape[1] != 3
        or any(side % STRIDE or not side for side in images.shape[2:])
    ):
        raise UsageError(
            f"images: expected (N, 3, H, W) with H and W multiples of {STRIDE}, got "
            f"{tuple(images.shape)}; "
            "resize them first"
        )


def relative_depth(y: Tensor) -> Tensor:
    """Return depth in [0.01, 1] from the network's raw output y, both float of any shape.

    The network learns 1000 / depth with depth in 10..1000 (centimetres for NYU). A negative y
    clips to 0.01 and zero to 1, as in the authors' numpy code; NaN stays NaN, so that it can be
    found.
    """
    return torch.clamp(1000.0 / y, 10.0, 1000.0) / 1000.0
