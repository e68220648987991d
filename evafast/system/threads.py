"""Cores: those of the machine that this process may use, and threads that keep to one of them."""

from __future__ import annotations

import os
from contextlib import suppress


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on; containers allow some only."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class Seats:
    """Cores for threads, one each; none where there are more or fewer than threads.

    Linux often queues a woken thread on a busy core while another is idle. Threads that share one
    queue of work and never wait otherwise do better on a core of their own each.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int) -> None:
        cores = usable_cores() if hasattr(os, "sched_setaffinity") else []  # Linux
        self._free = iter(cores if len(cores) == threads else [])

    def take(self) -> None:
        """Keep the calling thread on the next core."""
        core = next(self._free, None)
        if core is not None:
            with suppress(OSError):  # where that is forbidden, it runs on any
                os.sched_setaffinity(0, {core})
