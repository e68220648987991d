"""Pictures to look at: sheets of samples and overlays."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.masks.augment import Views

_MARK = np.array([255, 60, 90], np.float32)


def coloured_depth(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (h, w) depth as RGB, each map over its own range: near is bright, far is dark."""
    low, high = float(np.nanmin(depth)), float(np.nanmax(depth))
    nearness = 255 - np.round(255 * (depth - low) / ((high - low) or 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(nearness, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def overlay(image: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return an (h, w, 3) image tinted where the (h, w) mask in [0, 1] is, with its outline."""
    tinted = image + (0.45 * mask)[..., None] * (_MARK - image)
    inside = (mask >= 0.5).astype(np.uint8)
    outline = (cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside).astype(bool)
    tinted[outline] = _MARK
    return np.clip(np.round(tinted), 0, 255).astype(np.uint8)


def sheet(
    views: Views, mask: Tensor | None = None, depth: Tensor | None = None, *, count: int = 8
) -> NDArray[np.uint8]:
    """Return a contact sheet (h, w, 3), a sample a row.

    Columns: background, composite, mask, depth where there is one, then the predicted mask (in
    [0, 1]) and depth where they are given.
    """
    count = min(count, len(views))
    columns = [_rgb(views.background[:count]), _rgb(views.composite[:count])]
    columns.append(_rgb(views.mask[:count]))
    if views.depth is not None:
        columns.append(_depths(views.depth[:count]))
    if mask is not None:
        columns.append(_rgb(mask[:count].detach()))
    if depth is not None and views.depth is not None:
        columns.append(_depths(depth[:count].detach()))
    rows = [np.concatenate([c[i] for c in columns], 1) for i in range(count)]
    return np.concatenate(rows)


def _rgb(x: Tensor) -> NDArray[np.uint8]:
    x = (x.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().expand(-1, 3, -1, -1)
    return x.permute(0, 2, 3, 1).numpy()


def _depths(x: Tensor) -> NDArray[np.uint8]:
    return np.stack([coloured_depth(d) for d in x[:, 0].float().cpu().numpy()])
