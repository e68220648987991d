"""What a command prints on standard error: progress, warnings and one-line errors."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from evafast.errors import EvafastError, UsageError, quoted

if TYPE_CHECKING:
    from tqdm import tqdm

LOG_SECONDS = 5.0
"""Time between progress lines in a log."""

_LOG_LINE = "{desc}: {n_fmt} of {total_fmt} ({percentage:.0f}%), {rate_fmt}, {remaining} left"


def run_command(command: Callable[[], None], *, resumes: bool = False) -> int:
    """Run a command and return its exit code.

    0 done; 1 failed while running; 2 wrong usage or unusable input; 130 interrupted. Errors that
    the user or the machine causes print one line, never a traceback. With `resumes`, the message
    after an interrupt says that the same command resumes.
    """
    with suppress(ValueError):  # outside the main thread, the caller's handlers stay
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems send it
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - None if closed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names in a locale without their letters
    try:
        command()
    except EvafastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        more = "; run the same command to resume" if resumes else ""
        print(f"\ninterrupted{more}", file=sys.stderr)
        return 130
    except MemoryError:
        print("error: out of memory; lower --batch-size", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # otherwise Python reports the closed pipe again on exit
        return 1
    except OSError as error:
        print(f"error: {error.strerror or error}: {quoted(error.filename or '')}", file=sys.stderr)
        return 1
    return 0


def set_up_logging(*, quiet: bool) -> None:
    """Print the package's warnings as ``warning: ...`` lines; with `quiet`, only its errors."""
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
    """Prints lines and progress; with `quiet`, nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def progress(
        self, description: str, total: int | None, *, initial: int = 0, unit: str = "samples"
    ) -> tqdm[Any]:
        """Return a progress bar: a context manager with ``update(count)``, safe in any thread.

        On a terminal it is redrawn in place; in a log it is a line every few seconds. The `initial`
        units, done in earlier runs, do not count towards the rate. The unit ``B`` counts bytes.
        """
        from tqdm import tqdm

        scale = {"unit": "B", "unit_scale": True} if unit == "B" else {"unit": f" {unit}"}
        if sys.stderr.isatty():
            where: dict[str, Any] = {"dynamic_ncols": True}
        else:
            where = {
                "file": _LineStream(), "mininterval": LOG_SECONDS, "delay": LOG_SECONDS,
                "bar_format": _LOG_LINE if total else None,
            }  # fmt: skip
        return tqdm(
            desc=description, total=total, initial=initial, disable=self.quiet, smoothing=0,
            **scale, **where,
        )  # fmt: skip


class _LineStream:
    """Standard error for tqdm in a log: each redraw becomes a line."""

    def write(self, text: str) -> None:
        if line := text.strip():
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing: every line is flushed."""


def duration(seconds: float) -> str:
    """Return a duration such as ``7 s``, ``1 min 7 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
