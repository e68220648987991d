"""How much of the machine other processes took: tells disturbed rounds from quiet ones.

The choice of rounds rests on this alone and never on what they measured.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK")
QUIET = 0.1
"""Share of the cores up to which a round counts as quiet."""


class Others:
    """Measures the share of all cores that went to other processes since `start`."""

    def start(self) -> None:
        """Begin a stretch."""
        self._before = self._now()

    def share(self) -> float | None:
        """Return the share since `start`, 0..1; None where the system does not tell."""
        busy, own, clock = (b - a for a, b in zip(self._before, self._now(), strict=True))
        if busy == 0 and not _STAT.exists():
            return None
        cores = os.cpu_count() or 1
        # Ticks are coarse and own time is not: rounding may take the difference below nothing.
        return min(max((busy - own) / (cores * clock), 0.0), 1.0)

    def _now(self) -> tuple[float, float, float]:
        try:
            words = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        except OSError:
            words = []
        # user, nice, system, and interrupts of both kinds; not idle, not waiting for a disk
        busy = sum(int(words[i]) for i in (0, 1, 2, 5, 6)) / _TICKS if words else 0.0
        own = sum(os.times()[:4])  # children's time counts once they have ended
        return busy, own, time.perf_counter()
