"""Augmentation with kornia, on whatever device the batch is on.

Geometry moves background, composite, mask and depth alike; then the background is moved a little
against the composite, and the two are exposed, blurred, compressed apart. What is left to learn
is what was pasted, not how to subtract. All of it is a pure function of the batch and one seed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import kornia.augmentation as K
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evafast import Batch
from training.masks.config import AugmentConfig
from training.masks.jpeg import jpeg

_one_drawer = threading.Lock()


@dataclass
class Views:
    """A batch as the network learns it: floating, at the network's size.

    Attributes
    ----------
    background, composite : Tensor, float32, (n, 3, size, size)
        RGB in [0, 1].
    mask : Tensor, float32, (n, 1, size, size)
        Coverage in [0, 1].
    depth : Tensor, float32, (n, 1, size, size), or None
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
    """Return a batch as it is, shrunk to `size` by averaging, on `device`."""

    def floating(x: Tensor, unit: float) -> Tensor:
        x = x.to(device, torch.float32, non_blocking=True).contiguous() / unit
        if x.shape[-1] % size == 0:
            return functional.avg_pool2d(x, x.shape[-1] // size)  # the same, and much faster
        return functional.interpolate(x, (size, size), mode="area")

    return Views(
        background=floating(batch.background, 255.0),
        composite=floating(batch.image, 255.0),
        mask=floating(batch.mask, 255.0),
        depth=None if batch.depth is None else floating(batch.depth, 1.0),
        index=batch.index,
    )


class Augmentation:
    """Changes views at random, replayably.

    Parameters
    ----------
    config : AugmentConfig

    Examples
    --------
    >>> augment = Augmentation(AugmentConfig())
    >>> views = augment(views, seed=3)  # doctest: +SKIP
    """

    def __init__(self, config: AugmentConfig) -> None:
        c = self.config = config
        # Reflection mirrors picture and mask alike at the border, so the two stay true together.
        self._together = K.ImageSequential(
            K.RandomHorizontalFlip(p=c.flip),
            _affine(c.degrees, c.translate, c.scale, c.shear),
        )
        self._colour = K.ImageSequential(
            K.ColorJiggle(c.brightness, c.contrast, c.saturation, c.hue, p=1.0),
            K.RandomGaussianBlur(5, (0.1, 1.2), p=c.blur),
            K.RandomGaussianNoise(std=0.02, p=c.noise),
        )

    @torch.no_grad()
    def __call__(self, views: Views, seed: int) -> Views:
        """Return the views changed as `seed` says; the given ones are left as they are."""
        if not any(vars(self.config).values()):
            return views
        with drawn_from(seed, views.composite.device):
            return self._photometric(self._misaligned(self._geometric(views)))

    def _geometric(self, views: Views) -> Views:
        parts = [views.background, views.composite, views.mask]
        if views.depth is not None:
            parts.append(views.depth)
        # One warp of all channels at once: alike by construction.
        moved = self._together(torch.cat(parts, 1)).split([p.shape[1] for p in parts], 1)
        depth = moved[3] if views.depth is not None else None
        return replace(
            views, background=moved[0], composite=moved[1], mask=moved[2].clamp(0, 1), depth=depth
        )

    def _misaligned(self, views: Views) -> Views:
        c = self.config
        shift = c.misalign_pixels / views.background.shape[-1]
        move = _affine(c.misalign_degrees, shift, c.misalign_scale, 0.0)
        return replace(views, background=move(views.background))

    def _photometric(self, views: Views) -> Views:
        both = torch.cat((views.background, views.composite))
        both = self._colour(both.clamp(0, 1)).clamp(0, 1)
        chosen = torch.rand(len(both)) < self.config.jpeg
        quality = 40 + 55 * torch.rand(int(chosen.sum()))
        if len(quality):
            both[chosen] = jpeg(both[chosen], quality)
        background, composite = both.chunk(2)
        return replace(views, background=background, composite=composite)


def _affine(degrees: float, translate: float, scale: float, shear: float) -> nn.Module:
    return K.RandomAffine(
        degrees, translate=(translate, translate), scale=(1 - scale, 1 + scale),
        shear=shear or None, padding_mode="reflection", p=1.0,
    )  # fmt: skip


@contextmanager
def drawn_from(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch draw from `seed` inside, and leave its generators as they were.

    All threads share torch's generators, so only one may be in here at a time.
    """
    devices = [device] if device.type == "cuda" else []
    with _one_drawer, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
