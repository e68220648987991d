"""Every setting of a training run; validates itself, the command line only fills it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evafast.errors import UsageError
from training.masks.model import PRESETS

SPLITS = ("asset", "placement")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where samples come from and which of them are held out.

    Attributes
    ----------
    backgrounds, foregrounds : str or None
        Folders of pictures; both or neither. Neither means the built-in pack.
    dataset : str or None
        A finished data set to read from disk instead of compositing on the fly.
    size : int
        Side in pixels at which the network sees the pictures.
    canvas : int
        Side in pixels of the composites, which the depth teacher sees; they are shrunk to `size`.
    placements, seed : int
        See `evafast.Recipe`; the seed also chooses the split and the order.
    split : {'asset', 'placement'}
        What validation has that training never saw: whole backgrounds and cut-outs, or only
        other placements of the same ones.
    validation_share : float
        Share of the assets, of each kind, or of the samples that is held out.
    depth : str
        The teacher: ``compact``, ``nyu``, ``kitti``, a weights file, ``hf:ID`` or ``none``.
    depth_input : int
        Side in pixels at which the teacher sees the composites.
    """

    backgrounds: str | None = None
    foregrounds: str | None = None
    dataset: str | None = None
    size: int = 112
    canvas: int = 224
    placements: int = 20
    seed: int = 0
    split: str = "asset"
    validation_share: float = 0.2
    depth: str = "compact"
    depth_input: int = 224

    def __post_init__(self) -> None:
        if (self.backgrounds is None) != (self.foregrounds is None):
            raise UsageError(
                "backgrounds, foregrounds: expected both folders or neither, got one; give the "
                "other, or none for the built-in pack"
            )
        if self.dataset is not None and self.backgrounds is not None:
            raise UsageError("dataset: expected no folders beside it, got both; leave one out")
        _one_of("split", self.split, SPLITS)
        _at_least("size", self.size, 16)
        _at_least("canvas", self.canvas, self.size)
        _at_least("placements", self.placements, 1)
        _between("validation share", self.validation_share, 0.01, 0.9)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How far pictures are changed; every 0 leaves one change out.

    Attributes
    ----------
    degrees, translate, scale, shear : float
        Largest rotation, shift (share of the side), change of scale and shear (degrees), alike
        for background, composite, mask and depth.
    flip : float
        Chance of a left-right mirror, alike for all.
    misalign_pixels, misalign_degrees, misalign_scale : float
        Largest shift, rotation and change of scale of the background against the composite.
    brightness, contrast, saturation, hue : float
        Largest colour changes, independent for background and composite.
    blur, noise, jpeg : float
        Chances of a blur (sigma up to 1.2), of noise (standard deviation 0.02) and of JPEG
        (quality 40 to 95), independent for background and composite.
    """

    degrees: float = 10.0
    translate: float = 0.08
    scale: float = 0.15
    shear: float = 5.0
    flip: float = 0.5
    misalign_pixels: float = 1.5
    misalign_degrees: float = 0.7
    misalign_scale: float = 0.01
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.03
    blur: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _between(f"augment {name}", value, 0.0, 45.0)
        for name in ("flip", "blur", "noise", "jpeg", "scale", "misalign_scale", "hue"):
            limit = 0.5 if name == "hue" else 1.0
            _between(f"augment {name}", getattr(self, name), 0.0, limit)

    @classmethod
    def none(cls) -> AugmentConfig:
        """Return the settings that change nothing."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 0.0))


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the losses; 0 leaves one out.

    Attributes
    ----------
    bce, dice : float
        Of the mask.
    l1, rmse, ssim, gradient : float
        Of the depth, in units of the training split's mean depth.
    """

    bce: float = 1.0
    dice: float = 1.0
    l1: float = 0.5
    rmse: float = 0.0
    ssim: float = 0.1
    gradient: float = 0.5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _between(f"loss {name}", value, 0.0, 1000.0)
        if not self.bce and not self.dice:
            raise UsageError("losses: expected bce or dice above 0, got neither; raise one")

    @classmethod
    def parsed(cls, text: str) -> LossConfig:
        """Read ``bce=1,dice=0.5``; what is not named is 0.

        Raises
        ------
        UsageError
            When a name is unknown or a weight is not a number.
        """
        weights = dict.fromkeys(cls.__dataclass_fields__, 0.0)
        for piece in text.split(","):
            name, _, value = piece.strip().partition("=")
            try:
                weight = float(value)
            except ValueError:
                weight = -1.0
            if name not in weights or weight < 0:
                raise UsageError(
                    f"losses: expected NAME=WEIGHT of {', '.join(weights)}, got {piece!r}; "
                    f"such as bce=1,dice=1,l1=0.5"
                )
            weights[name] = weight
        return cls(**weights)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that a run depends on.

    Attributes
    ----------
    preset : str
        The model; see `training.masks.model.PRESETS`.
    init : str or None
        A checkpoint of the same preset whose weights to start from.
    device, precision : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; auto precision is bf16 where the device computes
        in it.
    batch_size : int
        Samples a step on each rank.
    steps : int
        Optimizer steps in all.
    minutes : float or None
        Train that long instead: the learning rate follows the time that steps took.
    validate_every : int
        Steps between validations, each the end of an epoch.
    validation_samples : int
        Samples a validation, the same ones each time.
    patience : int
        Validations without a better IoU after which training stops early; 0 never does.
    rate, weight_decay : float
        Peak learning rate (after a rise over the first 5 %, it falls as a cosine) and decay of
        AdamW.
    model_seed : int
        Of the initial weights.
    """

    preset: str = "small"
    init: str | None = None
    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    batch_size: int = 32
    steps: int = 1000
    minutes: float | None = None
    validate_every: int = 100
    validation_samples: int = 256
    patience: int = 0
    rate: float = 3e-3
    weight_decay: float = 1e-2
    model_seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    losses: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        _one_of("preset", self.preset, tuple(PRESETS))
        _one_of("precision", self.precision, PRECISIONS)
        for name in ("batch_size", "steps", "validate_every", "validation_samples"):
            _at_least(name.replace("_", " "), getattr(self, name), 1)
        _at_least("patience", self.patience, 0)
        _between("rate", self.rate, 1e-8, 1.0)
        _between("weight decay", self.weight_decay, 0.0, 1.0)
        if self.minutes is not None:
            _between("minutes", self.minutes, 0.01, 100_000.0)
        stride = PRESETS[self.preset].stride
        if self.data.size % stride:
            raise UsageError(
                f"size: expected a multiple of {stride} for preset {self.preset}, got "
                f"{self.data.size}; give {-(-self.data.size // stride) * stride}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values from which `from_dict` makes an equal config."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Return the config that `to_dict` described."""
        parts = {"data": DataConfig, "augment": AugmentConfig, "losses": LossConfig}
        return cls(**{k: parts[k](**v) if k in parts else v for k, v in values.items()})


def _one_of(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{name}: expected {', '.join(choices)}, got {value!r}; choose one")


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name}: expected at least {least}, got {value}; raise it")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name}: expected {low:g} to {high:g}, got {value:g}; choose another")
