"""The learning rate over a run: linear warm-up, cosine decay."""

from __future__ import annotations

import math


def rate_at(
    progress: float, *, warm_up: float = 0.05, start: float = 0.01, end: float = 0.001
) -> float:
    """Return the learning rate as a share of its peak.

    Parameters
    ----------
    progress : float
        Share of the run that is done, 0..1.
    warm_up : float
        Share of the run over which the rate rises linearly from `start` to 1.
    start, end : float
        Shares of the peak at the beginning and at the end.
    """
    if progress < warm_up:
        return start + (1 - start) * progress / warm_up
    decay = min((progress - warm_up) / (1 - warm_up), 1.0)
    return end + (1 - end) * (1 + math.cos(math.pi * decay)) / 2
