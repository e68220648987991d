"""Console: what a command says: progress, warnings and one-line errors.

On a terminal progress is a moving bar; anywhere else it is a plain line every few seconds.
Everything goes to standard error; standard output is for results.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from evafast.errors import RunError, UsageError, quoted

PLAIN_SECONDS = 5.0
"""Time between two plain progress lines."""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with exit code 2."""
        print(f"error: {quoted(message)[1:-1]}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def run_command(command: Callable[[], None], *, resumes: bool = False) -> int:
    """Run a command; return its exit code.

    0 done; 1 failed while running; 2 wrong usage or unusable input; 130 interrupted. The user's
    mistakes and the machine's troubles end in one line each, never in a traceback.
    """
    _terminate_like_interrupt()
    try:
        command()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        more = "; the same command goes on where this one stopped" if resumes else ""
        print(f"\ninterrupted{more}", file=sys.stderr)
        return 130
    except MemoryError:
        print("error: memory: expected more than there is; lower --batch-size", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # lest Python complain of the same once more on its way out
        return 1
    return 0


def _terminate_like_interrupt() -> None:
    """Make a polite kill (SIGTERM), as batch systems send it, end like Ctrl-C."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        return  # not in the main thread: the caller's handlers stay


def set_up_logging(*, quiet: bool) -> None:
    """Show warnings as ``warning: ...`` lines; with `quiet` errors only."""
    log = logging.getLogger("evafast")
    for handler in list(log.handlers):
        if isinstance(handler, _LineHandler):
            log.removeHandler(handler)
    log.addHandler(_LineHandler())
    log.setLevel(logging.ERROR if quiet else logging.WARNING)


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


class Console:
    """Says what a run does and how far it is.

    Parameters
    ----------
    quiet : bool
        Say nothing but errors.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def progress(self, what: str, total: int, done: int = 0) -> Progress:
        """Return a progress display over `total` units, of which `done` were done before."""
        if self.quiet:
            return Progress(what, total, done)
        return (
            BarProgress(what, total, done)
            if sys.stderr.isatty()
            else PlainProgress(what, total, done)
        )


class Progress:
    """Counts without showing; the displays below derive from it. Safe to call from threads."""

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        self.what, self.total, self.done = what, total, done
        self._first = done
        self._start = time.perf_counter()

    def advance(self, count: int) -> None:
        """Count some more."""
        self.done += count
        self.show()

    def show(self) -> None:
        """Show nothing."""

    @property
    def rate(self) -> float:
        """Units a second since the start, those done before left out."""
        seconds = time.perf_counter() - self._start
        return (self.done - self._first) / seconds if seconds else 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the display."""


class PlainProgress(Progress):
    """A line every few seconds, for logs and pipes."""

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        super().__init__(what, total, done)
        self._next = self._start + PLAIN_SECONDS

    def show(self) -> None:
        """Print a line when it is time for one."""
        now = time.perf_counter()
        if now >= self._next and self.rate:
            self._next = now + PLAIN_SECONDS
            left = (self.total - self.done) / self.rate
            print(
                f"{self.what}: {self.done:,} of {self.total:,} ({self.done / self.total:.0%}), "
                f"{self.rate:,.0f}/s, {duration(left)} left",
                file=sys.stderr, flush=True,
            )  # fmt: skip


class BarProgress(Progress):
    """A moving bar with rate and time left."""

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        super().__init__(what, total, done)
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
            console=RichConsole(stderr=True), transient=False,
        )  # fmt: skip
        self._task = self._bar.add_task(what, total=total, completed=done, rate="")

    def show(self) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=self.done, rate=f"{self.rate:,.0f}/s")

    def __enter__(self) -> BarProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()


class Download:
    """Progress of a download: a bar on a terminal, a line every few seconds elsewhere.

    Call it with (bytes there, bytes in all or None).
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what, self._quiet = what, quiet
        self._bar: Any = None
        self._next = time.perf_counter() + PLAIN_SECONDS

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far it is."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._show_bar(done, total)
        elif time.perf_counter() >= self._next:
            self._next = time.perf_counter() + PLAIN_SECONDS
            whole = f" of {total / 1e6:,.0f}" if total else ""
            print(f"{self._what}: {done / 1e6:,.0f}{whole} MB", file=sys.stderr, flush=True)

    def _show_bar(self, done: int, total: int | None) -> None:
        if self._bar is None:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn
            from rich.progress import Progress as RichProgress

            columns = (self._what, BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = RichProgress(*columns, console=RichConsole(stderr=True))
            self._task = self._bar.add_task(self._what, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()


def duration(seconds: float) -> str:
    """Return a duration as people say it, such as ``1 min 7 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
