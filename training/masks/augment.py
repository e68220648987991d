"""Augmentation with kornia on the batch's device.

Geometry moves background, composite, mask and depth alike. Then the background shifts a little
against the composite, and the two get colours, blur, noise and JPEG artefacts of their own, so
that the network has to find what was pasted rather than to subtract. The result is a pure function
of batch, config and seed.

To add an augmentation, write a function of views and config and register its name::

    AUGMENTATIONS["invert"] = lambda views, config: replace(views, composite=1 - views.composite)
    AugmentConfig(steps=(*AugmentConfig().steps, "invert"))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache

import kornia.augmentation as K
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evafast import Batch, UsageError
from training.masks.jpeg import jpeg

_generator_lock = threading.Lock()


@dataclass
class Views:
    """A batch as the network sees it: floating point, at the network's size.

    Attributes
    ----------
    background, composite : Tensor of float32, (n, 3, size, size)
        RGB, 0..1.
    mask : Tensor of float32, (n, 1, size, size)
        Coverage, 0..1.
    depth : Tensor of float32, (n, 1, size, size), or None
        In the teacher's unit.
    index : ndarray of int64, (n,)
        Sample indices.
    """

    background: Tensor
    composite: Tensor
    mask: Tensor
    depth: Tensor | None
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)


def views_of(batch: Batch, size: int, device: torch.device) -> Views:
    """Return a batch on `device`, downsampled to `size` pixels by averaging."""

    def resized(x: Tensor, unit: float) -> Tensor:
        x = x.to(device, torch.float32, non_blocking=True).contiguous() / unit
        if x.shape[-1] % size == 0:
            return functional.avg_pool2d(x, x.shape[-1] // size)  # equal to "area", but faster
        return functional.interpolate(x, (size, size), mode="area")

    return Views(
        background=resized(batch.background, 255.0),
        composite=resized(batch.image, 255.0),
        mask=resized(batch.mask, 255.0),
        depth=None if batch.depth is None else resized(batch.depth, 1.0),
        index=batch.index,
    )


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Which augmentations are applied, and how strongly.

    Attributes
    ----------
    steps : tuple of str
        Names in `AUGMENTATIONS`, in order.
    degrees, translate, scale, shear : float
        Geometry: largest rotation, shift (share of the side), relative change of scale, and shear
        (degrees).
    flip : float
        Geometry: probability of a left-right mirror.
    misalign_pixels, misalign_degrees, misalign_scale : float
        Misalignment: largest shift, rotation and relative change of scale of the background.
    brightness, contrast, saturation, hue : float
        Photometric: largest changes of colour.
    blur, noise : float
        Photometric: probability of a blur (sigma up to 1.2) and of noise (standard deviation
        0.02).
    jpeg : float
        Probability of JPEG artefacts (quality 40 to 95).

    Raises
    ------
    UsageError
        If a name is not registered or a strength is out of range.
    """

    steps: tuple[str, ...] = ("geometry", "misalignment", "photometric", "jpeg")
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
        object.__setattr__(self, "steps", tuple(self.steps))  # JSON has lists
        for name in self.steps:
            if name not in AUGMENTATIONS:
                raise UsageError(
                    f"augment: expected {', '.join(AUGMENTATIONS)}, got {name!r}; choose among them"
                )
        for name, value in asdict(self).items():
            limit = _LIMITS.get(name, 1.0)
            if name != "steps" and not 0 <= value <= limit:
                raise UsageError(
                    f"augment {name}: expected 0 to {limit:g}, got {value:g}; choose another"
                )

    @classmethod
    def none(cls) -> AugmentConfig:
        """Return the config without any augmentation."""
        return cls(steps=())


_LIMITS = {"degrees": 45.0, "shear": 45.0, "misalign_pixels": 45.0, "misalign_degrees": 45.0,
           "hue": 0.5}  # fmt: skip


@torch.no_grad()
def augmented(views: Views, config: AugmentConfig, seed: int) -> Views:
    """Return the views augmented as config and seed say; the given ones do not change."""
    if not config.steps:
        return views
    with seeded(seed, views.composite.device):
        for name in config.steps:
            views = AUGMENTATIONS[name](views, config)
    return views


def geometry(views: Views, config: AugmentConfig) -> Views:
    """Flip and warp background, composite, mask and depth alike."""
    fields = [views.background, views.composite, views.mask]
    if views.depth is not None:
        fields.append(views.depth)
    # One warp of all channels at once keeps them aligned by construction.
    moved = _geometry(config)(torch.cat(fields, 1)).split([x.shape[1] for x in fields], 1)
    return replace(
        views, background=moved[0], composite=moved[1], mask=moved[2].clamp(0, 1),
        depth=None if views.depth is None else moved[3],
    )  # fmt: skip


def misalignment(views: Views, config: AugmentConfig) -> Views:
    """Move the background a little against the composite."""
    shift = config.misalign_pixels / views.background.shape[-1]
    move = _affine(config.misalign_degrees, shift, config.misalign_scale, 0.0)
    return replace(views, background=move(views.background))


def photometric(views: Views, config: AugmentConfig) -> Views:
    """Change colours, blur and add noise, independently in background and composite."""
    both = torch.cat((views.background, views.composite)).clamp(0, 1)
    background, composite = _photometric(config)(both).clamp(0, 1).chunk(2)
    return replace(views, background=background, composite=composite)


def jpeg_artefacts(views: Views, config: AugmentConfig) -> Views:
    """Compress some of the backgrounds and composites."""
    both = torch.cat((views.background, views.composite))
    chosen = torch.rand(len(both)) < config.jpeg
    quality = 40 + 55 * torch.rand(int(chosen.sum()))
    if len(quality):
        both[chosen] = jpeg(both[chosen], quality)
    background, composite = both.chunk(2)
    return replace(views, background=background, composite=composite)


AUGMENTATIONS: dict[str, Callable[[Views, AugmentConfig], Views]] = {
    "geometry": geometry,
    "misalignment": misalignment,
    "photometric": photometric,
    "jpeg": jpeg_artefacts,
}


@cache
def _geometry(config: AugmentConfig) -> nn.Module:
    # Reflection mirrors image and mask alike at the border, so that they still agree there.
    return K.ImageSequential(
        K.RandomHorizontalFlip(p=config.flip),
        _affine(config.degrees, config.translate, config.scale, config.shear),
    )


@cache
def _photometric(config: AugmentConfig) -> nn.Module:
    return K.ImageSequential(
        K.ColorJiggle(config.brightness, config.contrast, config.saturation, config.hue, p=1.0),
        K.RandomGaussianBlur(5, (0.1, 1.2), p=config.blur),
        K.RandomGaussianNoise(std=0.02, p=config.noise),
    )


@cache
def _affine(degrees: float, translate: float, scale: float, shear: float) -> nn.Module:
    return K.RandomAffine(
        degrees, translate=(translate, translate), scale=(1 - scale, 1 + scale),
        shear=shear or None, padding_mode="reflection", p=1.0,
    )  # fmt: skip


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators inside, and restore them afterwards.

    All threads share these generators, so only one thread at a time may be inside.
    """
    devices = [device] if device.type == "cuda" else []
    with _generator_lock, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
