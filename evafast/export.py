"""``evafast export``: write a dataset's annotations in another format."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from evafast.errors import UsageError, quoted
from evafast.system.cli import parse
from evafast.system.console import Console, run_command, set_up_logging


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write annotations in another format.

    Attributes
    ----------
    format : str
        coco, for boxes and masks as COCO JSON.
    dataset : str
        Folder or fsspec address of a finished dataset.
    out : Path
        File to write; it must not exist.
    quiet : bool
        Print errors only.
    """

    format: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FORMAT")]
    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT.json")]
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.format != "coco":
            raise UsageError(f"format: expected coco, got {self.format!r}; use coco")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        given: Export = parse(
            Export, arguments, prog="evafast export",
            description="Write annotations in another format.",
        )  # fmt: skip
        set_up_logging(quiet=given.quiet)
        _export(given, Console(quiet=given.quiet))

    return run_command(command)


def _export(given: Export, console: Console) -> None:
    from evafast.dataset.reader import open_dataset
    from evafast.inspection.coco import coco_annotations

    dataset = open_dataset(given.dataset)
    if given.out.exists():
        raise UsageError(f"out: {quoted(given.out)} exists already; move it or choose another name")
    unfinished = Path(f"{given.out}.part")
    try:
        with (
            unfinished.open("w", encoding="utf-8") as stream,
            console.progress("annotating", len(dataset)) as bar,
        ):
            count = coco_annotations(dataset, stream, bar.update)
        unfinished.replace(given.out)
    except OSError as error:
        raise UsageError(
            f"out: cannot write {quoted(given.out)}: {error.strerror}; choose another path"
        ) from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    console.say(f"wrote {count:,} annotations to {quoted(given.out)}")


if __name__ == "__main__":
    sys.exit(main())
