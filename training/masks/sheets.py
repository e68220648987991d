"""Images to look at: contact sheets of samples, and overlays."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evafast.depth.images import colorize_depth
from training.masks.augment import Views

_MARK = np.array([255, 60, 90], np.float32)


def overlay(image: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return an (h, w, 3) image tinted by the (h, w) mask (0..1), and its outline."""
    tinted = image + (0.45 * mask)[..., None] * (_MARK - image)
    inside = (mask >= 0.5).astype(np.uint8)
    outline = (cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside).astype(bool)
    tinted[outline] = _MARK
    return np.clip(np.round(tinted), 0, 255).astype(np.uint8)


def sheet(
    views: Views, mask: Tensor | None = None, depth: Tensor | None = None, *, count: int = 8
) -> NDArray[np.uint8]:
    """Return a contact sheet (h, w, 3) with one row per sample.

    Columns: background, composite, mask, depth if there is any, then the predicted mask (0..1)
    and depth if they are given.
    """
    count = min(count, len(views))
    columns = [_rgb(views.background[:count]), _rgb(views.composite[:count])]
    columns.append(_rgb(views.mask[:count]))
    if views.depth is not None:
        columns.append(_depth_images(views.depth[:count]))
    if mask is not None:
        columns.append(_rgb(mask[:count].detach()))
    if depth is not None and views.depth is not None:
        columns.append(_depth_images(depth[:count].detach()))
    return np.concatenate(np.concatenate(columns, axis=2))


def _rgb(x: Tensor) -> NDArray[np.uint8]:
    x = (x.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().expand(-1, 3, -1, -1)
    return x.permute(0, 2, 3, 1).numpy()


def _depth_images(x: Tensor) -> NDArray[np.uint8]:
    return np.stack([colorize_depth(depth) for depth in x[:, 0].float().cpu().numpy()])
