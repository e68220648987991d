"""Every setting of a training run; the command line is made from these classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import tyro

from evafast.errors import UsageError
from training.masks.augment import AugmentConfig
from training.masks.losses import LossConfig
from training.masks.model import PRESETS

SPLITS = ("asset", "placement")
PRECISIONS = ("auto", "fp32", "bf16")

_LossOption = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="NAME=WEIGHT,...",
    instance_from_str=lambda words: LossConfig.parse(words[0]),
    is_instance=lambda value: isinstance(value, LossConfig),
    str_from_instance=lambda config: [str(config)],
)
_AugmentOption = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="NAME,...",
    instance_from_str=lambda words: AugmentConfig(steps=tuple(words[0].split(","))),
    is_instance=lambda value: isinstance(value, AugmentConfig),
    str_from_instance=lambda config: [",".join(config.steps)],
)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where samples come from, and which of them are held out.

    Attributes
    ----------
    backgrounds : str or None
        Folder of photographs (default: the built-in pack).
    foregrounds : str or None
        Folder of cut-outs with alpha.
    dataset : str or None
        Finished dataset to read, instead of compositing on the fly.
    size : int
        Side in pixels at which the network sees the images.
    canvas : int
        Side in pixels of the composites, which are then downsampled to the size.
    placements : int
        Positions per pair of background and foreground.
    seed : int
        Of samples, split and order.
    split : str
        asset (validation has other backgrounds and foregrounds) or placement (only other
        positions).
    validation_share : float
        Share that is held out, of the assets of each kind or of the samples.
    depth : str
        Teacher: compact (built in), nyu, kitti, a weights file, hf:ID or none.
    depth_input : int
        Side in pixels at which the teacher sees the composites.

    Raises
    ------
    UsageError
        If an option is out of range.
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
            raise UsageError("dataset: expected a dataset or folders, got both; give one of them")
        _one_of("split", self.split, SPLITS)
        _at_least("size", self.size, 16)
        _at_least("canvas", self.canvas, self.size)
        _at_least("placements", self.placements, 1)
        _between("validation share", self.validation_share, 0.01, 0.9)


@dataclass(frozen=True, kw_only=True)
class MaskTrainConfig:
    """Everything that a run depends on.

    Attributes
    ----------
    preset : str
        Size of the network: full, small or tiny.
    init : str or None
        Checkpoint of the same preset whose weights to start from.
    device : str
        auto, cpu, cuda or cuda:N.
    precision : str
        auto, fp32 or bf16; auto is bf16 where the device computes in it.
    compile : bool
        torch.compile the network.
    batch_size : int
        Samples per step on each rank.
    steps : int
        Optimizer steps in all.
    minutes : float or None
        Train that long, instead of the steps; the learning rate follows the time.
    validate_every : int
        Steps between validations.
    validation_samples : int
        Samples per validation, always the same ones.
    patience : int
        Validations without a better IoU before training stops; 0 means never.
    rate : float
        Peak learning rate.
    weight_decay : float
        Of AdamW.
    model_seed : int
        Of the initial weights.
    data : DataConfig
    augment : AugmentConfig
        Augmentations, in order.
    losses : LossConfig
        Weights of the losses.

    Raises
    ------
    UsageError
        If an option is out of range.
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
    augment: Annotated[AugmentConfig, _AugmentOption] = field(default_factory=AugmentConfig)
    losses: Annotated[LossConfig, _LossOption] = field(default_factory=LossConfig)

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

    @property
    def epoch_steps(self) -> int:
        """Steps between validations: an epoch."""
        return min(self.validate_every, self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, from which `from_dict` makes an equal config."""
        return asdict(self) | {"losses": dict(self.losses.weights)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MaskTrainConfig:
        """Return the config that `to_dict` described."""
        return cls(
            **dict(values) | {
                "data": DataConfig(**values["data"]),
                "augment": AugmentConfig(**values["augment"]),
                "losses": LossConfig(values["losses"]),
            }
        )  # fmt: skip


def _one_of(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{name}: expected {', '.join(choices)}, got {value!r}; choose one")


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name}: expected at least {least}, got {value}; raise it")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name}: expected {low:g} to {high:g}, got {value:g}; choose another")
