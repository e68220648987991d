"""The number of usable cores, and how idle OpenMP threads wait."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return how many cores this process may use; a container may allow only some."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_openmp_spinning() -> None:
    """Make idle OpenMP threads sleep after a short spin; call this before torch is imported.

    A depth network on the CPU runs beside encoder threads. By OpenMP's default, its idle threads
    spin on the cores that the encoders need. Variables the user has set take precedence.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
