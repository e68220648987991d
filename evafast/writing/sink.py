"""Sink: write batches as shards; encoding and writing overlap with compositing and depth.

Encoder threads encode and pack slices of a batch (OpenCV and zlib-ng release the GIL). One writer
thread appends them in order, so the bytes do not depend on the number of threads. A finished shard
is flushed and renamed by a third thread while the next is being written. The number of slices
in flight is bounded: the slowest step sets the pace and memory stays flat.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evafast.depth.estimator import check_finite
from evafast.writing.encode import SampleEncoder, SliceMetadata
from evafast.writing.transfer import HostTransfer

if TYPE_CHECKING:
    from evafast.dataset.formats import ShardWriter
    from evafast.dataset.plan import Shard
    from evafast.pipeline import Batch
    from evafast.system.timing import StepTimer
    from evafast.writing.run import Run
    from evafast.writing.transfer import HostBatch

SLICE = 64
"""Most samples an encoder thread takes at a time; small batches are split evenly."""


@dataclass
class _OpenShard:
    shard: Shard
    writer: ShardWriter
    metadata: SliceMetadata = field(default_factory=SliceMetadata)


class Sink:
    """Encodes and writes batches, shard by shard.

    Use it as a context manager. Leaving it waits until everything is written or, after an error,
    discards what is unfinished:

        with sink:
            with sink.shard(shard):
                for batch in pipeline.batches(...):
                    sink.write(batch)

    `workers` is the number of encoder threads; `on_samples` is called in the writer thread with
    the number of samples just written.
    """

    def __init__(
        self, run: Run, *, workers: int, timer: StepTimer, on_samples: Callable[[int], object]
    ) -> None:
        self._run, self._workers = run, workers
        self._timer, self._on_samples = timer, on_samples
        self._encode = SampleEncoder(run.plan)
        self._transfer = HostTransfer(run.plan, timer)
        self._current: _OpenShard | None = None
        self._uncommitted: list[_OpenShard] = []
        self._committing: Future[None] | None = None
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._free_slices = threading.Semaphore(4 * workers + 16)
        self._encoders = ThreadPoolExecutor(workers, "evafast-encode")
        self._writer = ThreadPoolExecutor(1, "evafast-write")
        self._committer = ThreadPoolExecutor(1, "evafast-commit")
        timer.set_workers("encode", workers)

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._stop.set()
        try:
            self._writer.submit(int).result()  # Python forgets a thread whose join is interrupted
        except KeyboardInterrupt as interrupt:
            self._stop.set()
            self._error = interrupt
        for pool in (self._encoders, self._writer, self._committer):
            pool.shutdown()
        if kind is None and self._error is None and self._committing is not None:
            self._error = self._committing.exception()
        for left in self._uncommitted:
            left.writer.discard()
        if kind is None:
            self._raise_error()

    @contextmanager
    def shard(self, shard: Shard) -> Iterator[None]:
        """Write the ``with`` block's batches to a shard, which appears when they are complete."""
        self._raise_error()
        self._current = _OpenShard(shard, self._run.format.create(shard))
        self._uncommitted.append(self._current)
        yield
        self._submit(self._commit, self._current)

    def write(self, batch: Batch) -> None:
        """Queue a batch, to be released once encoded; wait while too many slices are in flight.

        Raise any error of encoding or writing an earlier batch.
        """
        current = self._current
        assert current is not None, "write inside `with sink.shard(...)`"
        host = self._transfer.start(batch)
        size = min(SLICE, -(-len(batch) // self._workers))
        starts = range(0, len(batch), size)
        remaining = _Countdown(len(starts), host.release)
        for start in starts:
            self._raise_error()
            self._free_slices.acquire()
            encoded = self._encoders.submit(
                self._encode_slice, host, start, start + size, current, remaining
            )
            self._submit(self._append, current, encoded, then=self._free_slices.release)

    def _submit(
        self, step: Callable[..., None], *arguments: Any, then: Callable[[], None] = lambda: None
    ) -> None:
        """Queue a step for the writer thread; after an error, the remaining steps are skipped."""

        def run_step() -> None:
            try:
                if not self._stop.is_set():
                    step(*arguments)
            except BaseException as error:
                self._error = error
                self._stop.set()
            finally:
                then()

        self._writer.submit(run_step)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _encode_slice(
        self, host: HostBatch, start: int, stop: int, to: _OpenShard, remaining: _Countdown
    ) -> tuple[int, Any, SliceMetadata]:
        try:
            if self._stop.is_set():
                return 0, None, SliceMetadata()
            samples = host.samples(start, stop)
            with self._timer("encode"):
                if samples.finite is not None:
                    check_finite(samples.finite, self._run.plan.names.samples(samples.placements))
                encoded, metadata = self._encode(samples)
                return len(encoded), self._run.format.pack(to.shard, encoded), metadata
        finally:
            remaining.done()

    def _append(self, to: _OpenShard, encoded: Future[tuple[int, Any, SliceMetadata]]) -> None:
        count, packed, metadata = encoded.result()
        with self._timer("write"):
            to.writer.append(packed)
        to.metadata += metadata
        self._on_samples(count)

    def _commit(self, finished: _OpenShard) -> None:
        if self._committing is not None:
            self._committing.result()
        self._committing = self._committer.submit(self._commit_now, finished)

    def _commit_now(self, finished: _OpenShard) -> None:
        with self._timer("commit"):
            files = finished.writer.finish()
            self._run.check(finished.shard, files)
            finished.writer.commit()
            self._run.record(finished.shard, files, finished.metadata)
        self._uncommitted.remove(finished)


class _Countdown:
    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._count, self._then, self._lock = count, then, threading.Lock()

    def done(self) -> None:
        """Count one; the last call runs `then`."""
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._then()
