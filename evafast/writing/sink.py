"""Sink: batches in, parts on disk out; encoding and writing go on beside compositing and depth.

Slices of a batch are encoded and packed by a pool of threads (OpenCV releases the GIL);
one writer thread appends the packed slices in order, so that the bytes do not depend on the number
of threads. A finished part is flushed to the disk and renamed by a third hand while the next one is
already written. Every queue is bounded: the slowest stage sets the pace and memory stays flat.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from typing import TYPE_CHECKING, Any

from evafast.dataset.sample import Encoded, Facts, HostSlice, Part, encode_slice
from evafast.system.threads import Seats
from evafast.writing.transfer import HostTransfer

if TYPE_CHECKING:
    from evafast.dataset.codec import Codec
    from evafast.dataset.formats.layouts import Layout, PartWriter
    from evafast.dataset.naming import Names
    from evafast.dataset.sample import BankNames
    from evafast.pipeline import Batch, DeferredBatch
    from evafast.system.timing import StageClock

SLICE = 64
"""Samples that one encoder thread takes at once, at most; small batches are shared evenly."""


class Sink:
    """Encodes and writes batches, part by part.

    Use as a context manager: leaving it waits until everything is written, or, on an error, drops
    what is unfinished.

    Parameters
    ----------
    layout : Layout
    codec : Codec
    names : Names
    bank_names : BankNames
    transfer : HostTransfer
        Brings batches to host memory and encodes their depth.
    workers : int
        Encoder threads.
    clock : StageClock
    on_part : callable
        Told ``(part, pieces, facts)`` of each committed part, in the writer thread.
    before_commit : callable
        Told ``(part, pieces)`` before a part appears; when it raises, the part does not.
    on_samples : callable
        Told how many more samples were written, in the writer thread.
    one_a_core : bool
        Keep each encoder thread on a core of its own; see `evafast.system.threads.Seats`.
    """

    def __init__(
        self,
        layout: Layout,
        codec: Codec,
        names: Names,
        bank_names: BankNames,
        transfer: HostTransfer,
        *,
        workers: int,
        clock: StageClock,
        on_part: Callable[[Part, list[dict], Facts], None],
        before_commit: Callable[[Part, list[dict]], None] = lambda part, pieces: None,
        on_samples: Callable[[int], None] = lambda count: None,
        one_a_core: bool = False,
    ) -> None:
        self._layout, self._codec = layout, codec
        self._names, self._bank_names = names, bank_names
        self._transfer, self._clock = transfer, clock
        self._on_part, self._on_samples = on_part, on_samples
        self._before_commit = before_commit
        self._workers = workers
        self._part: Part | None = None
        self._error: BaseException | None = None
        self._stop = threading.Event()
        settle = Seats(workers).take if one_a_core else None
        self._pool = ThreadPoolExecutor(workers, "evafast-encode", settle)
        self._queue: Queue[tuple[str, Any]] = Queue(maxsize=4 * workers + 16)
        self._writer = threading.Thread(target=self._write_all, name="evafast-write", daemon=True)
        clock.workers("encode", workers)

    def __enter__(self) -> Sink:
        self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._stop.set()
        self._queue.put(("end", None))
        self._writer.join()
        self._pool.shutdown()
        if kind is None:
            self._raise()

    def begin(self, part: Part) -> None:
        """Begin a part; batches that follow belong to it."""
        self._part = part
        self._put("begin", (part, self._layout.begin(part)))

    def write(self, batch: Batch | DeferredBatch) -> None:
        """Take a batch; waits while the queues are full.

        Raises
        ------
        RunError
            When encoding or writing an earlier batch failed.
        """
        part = self._part
        assert part is not None, "begin a part before its batches"
        host = self._transfer.start(batch)
        size = min(SLICE, -(-len(batch) // self._workers))
        starts = range(0, len(batch), size)
        left = _Countdown(len(starts), host.release)
        for start in starts:
            job = self._pool.submit(self._encode, host, start, start + size, left, part)
            self._put("packed", job)

    def commit(self) -> None:
        """End the part: it appears once its batches are written."""
        self._put("commit", None)

    def _put(self, what: str, value: Any) -> None:
        self._raise()
        self._queue.put((what, value))

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _encode(
        self, host: Any, start: int, stop: int, left: _Countdown, part: Part
    ) -> tuple[int, Any, Facts]:
        try:
            piece: HostSlice = host.wait(start, stop, self._names)
            if self._stop.is_set():
                return 0, None, Facts()
            with self._clock("encode"):
                encoded: Encoded = encode_slice(piece, self._codec, self._names, self._bank_names)
                packed = self._layout.pack(part, encoded)
            return len(encoded.samples), packed, encoded.facts
        finally:
            left.done()

    def _write_all(self) -> None:
        """Write in order; after an error or a stop only drain, so that nobody waits for ever."""
        part: Part | None = None
        writer: PartWriter | None = None
        facts = Facts()
        open_writers: list[PartWriter] = []
        committing: Future | None = None
        with ThreadPoolExecutor(1, "evafast-commit") as flush:
            while (item := self._queue.get())[0] != "end":
                what, value = item
                if what == "begin":
                    open_writers.append(value[1])
                if self._error is not None or self._stop.is_set():
                    self._stop.set()
                    if isinstance(value, Future):  # never cancelled: it hands its buffers back
                        value.exception()
                    continue
                try:
                    if what == "begin":
                        (part, writer), facts = value, Facts()
                    elif what == "packed":
                        count, packed, more = value.result()
                        assert writer is not None
                        with self._clock("write"):
                            writer.append(packed)
                        facts += more
                        self._on_samples(count)
                    else:
                        assert part is not None
                        assert writer is not None
                        if committing is not None:
                            committing.result()
                        committing = flush.submit(self._commit_part, part, writer, facts)
                        open_writers.remove(writer)
                except BaseException as error:
                    self._error = error
            if committing is not None and self._error is None:
                self._error = committing.exception()
        for left in open_writers:
            left.discard()

    def _commit_part(self, part: Part, writer: PartWriter, facts: Facts) -> None:
        with self._clock("commit"):
            try:
                pieces = writer.pieces()
                self._before_commit(part, pieces)
            except BaseException:
                writer.discard()
                raise
            writer.commit()
            self._on_part(part, pieces, facts)


class _Countdown:
    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._count, self._then, self._lock = count, then, threading.Lock()

    def done(self) -> None:
        """Count one; the last one calls back."""
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._then()
