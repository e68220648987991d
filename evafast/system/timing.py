"""StepTimer: how long each step of a run takes, to show what limits it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class StepTimer:
    """Adds up the working seconds of named steps over all threads.

    A step's share is its working time over its workers' available time; at 1.0 it set the pace.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._workers: dict[str, int] = {}
        self._queued: list[tuple[str, Any, Any]] = []
        self._lock = threading.Lock()
        self._start = time.perf_counter()

    def set_workers(self, step: str, count: int) -> None:
        """Set a step's number of workers, which defaults to 1."""
        self._workers[step] = count

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Count the time inside the ``with`` block towards a step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - start)

    @contextmanager
    def on(self, device: torch.device, step: str) -> Iterator[None]:
        """Time a step's work on the CPU, or as queued on a CUDA device's current stream.

        Queued work is timed by events that `shares` reads; this does not wait for the device.
        """
        if device.type != "cuda":
            with self(step):
                yield
            return
        import torch

        stream = torch.cuda.current_stream(device)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record(stream)
        yield
        end.record(stream)
        with self._lock:
            self._queued.append((step, start, end))

    def add(self, step: str, seconds: float) -> None:
        """Count seconds measured elsewhere towards a step."""
        with self._lock:
            self._seconds[step] += seconds

    @property
    def elapsed(self) -> float:
        """Seconds since this timer was created."""
        return time.perf_counter() - self._start

    def shares(self) -> dict[str, float]:
        """Return each step's busy share, 0..1, in the order in which the steps first ran."""
        elapsed = self.elapsed
        queued, self._queued = self._queued, []
        for step, start, end in queued:
            end.synchronize()
            self.add(step, start.elapsed_time(end) / 1000)
        return {
            step: seconds / (elapsed * self._workers.get(step, 1))
            for step, seconds in self._seconds.items()
        }
