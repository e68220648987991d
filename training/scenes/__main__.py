"""``python -m training.scenes make OUT | verify [DIR] | sheet FILE``: the built-in pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from evafast.builtin import pack_folders
from evafast.system.cli import parse
from evafast.system.console import Console, run_command
from training.scenes import pack
from training.scenes.sheet import contact_sheet


@dataclass(frozen=True, kw_only=True)
class Make:
    """Render the pack, which takes some minutes.

    Attributes
    ----------
    out : Path
        New or empty folder.
    """

    out: tyro.conf.Positional[Path]

    def run(self) -> None:
        """Run the command."""
        with Console().progress("pack", len(pack.items()), unit="images") as bar:
            for _ in pack.make(self.out):
                bar.update(1)


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check the files of a pack against their hashes.

    Attributes
    ----------
    folder : Path or None
        A pack (default: the installed one).
    """

    folder: tyro.conf.Positional[Path | None] = None

    def run(self) -> None:
        """Run the command."""
        if self.folder is not None:
            count = pack.verify(self.folder)
        else:
            with pack_folders() as (backgrounds, _):
                count = pack.verify(backgrounds.parent)
        print(f"{count} files as recorded")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Draw a contact sheet of the installed pack.

    Attributes
    ----------
    out : Path
        JPEG file.
    """

    out: tyro.conf.Positional[Path]

    def run(self) -> None:
        """Run the command."""
        contact_sheet().save(self.out, "JPEG", quality=82, optimize=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        parse(
            Make | Verify | Sheet, arguments, prog="python -m training.scenes",
            description="Make, verify or show the built-in pack.",
        ).run()  # fmt: skip

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
