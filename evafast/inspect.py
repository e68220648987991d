"""``evafast inspect``: statistics, previews, verification and repair of a dataset."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from evafast.errors import RunError, check_range, quoted
from evafast.system.cli import parse
from evafast.system.console import Console, run_command, set_up_logging

if TYPE_CHECKING:
    from evafast.dataset.store import Store
    from evafast.inspection.verify import Report


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Options that every command has.

    Attributes
    ----------
    dataset : str
        Folder or fsspec address of a finished dataset.
    quiet : bool
        Print no progress and no warnings.
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Stats(Inspect):
    """Print the mean and pixel standard deviation of every kind of image.

    Attributes
    ----------
    json : bool
        Print JSON instead of a table.
    """

    json: bool = False

    def _run(self, console: Console) -> None:
        from evafast.dataset.reader import open_dataset
        from evafast.inspection.stats import as_text, statistics

        dataset = open_dataset(self.dataset)
        with console.progress("reading", len(dataset)) as bar:
            table = statistics(dataset, bar.update)
        if self.json:
            values = {name: entry.to_json() for name, entry in table.items()}
            print(json.dumps(values, indent=1))
        else:
            print(as_text(table))


@dataclass(frozen=True, kw_only=True)
class Preview(Inspect):
    """Draw a contact sheet and a page for browsing samples.

    Attributes
    ----------
    out : Path or None
        Write PREFIX.png and PREFIX.html (default: DIR-preview).
    sheet : int
        Number of samples on the sheet.
    page : int
        Number of samples on the page.
    """

    out: Path | None = None
    sheet: int = 12
    page: int = 96

    def __post_init__(self) -> None:
        check_range("sheet", self.sheet, 1)
        check_range("page", self.page, 1)

    def _run(self, console: Console) -> None:
        from evafast.inspection.preview import write_preview

        image, page = write_preview(self.dataset, self.out, sheet=self.sheet, page=self.page)
        console.say(f"wrote {quoted(image)} and {quoted(page)}")


@dataclass(frozen=True, kw_only=True)
class Verify(Inspect):
    """Check every file; the exit code is 1 if anything is wrong.

    Attributes
    ----------
    recomposite : int
        Number of samples to regenerate and compare.
    no_decode : bool
        Check hashes and sizes only; decode no image.
    """

    recomposite: int = 200
    no_decode: bool = False

    def __post_init__(self) -> None:
        check_range("recomposite", self.recomposite, 0)

    def _run(self, console: Console) -> None:
        _, report = self._verify(console)
        if report.damage:
            raise RunError(
                f"{len(report.damage)} findings in {quoted(self.dataset)}; "
                "run evafast inspect repair to regenerate what is damaged"
            )
        print(
            f"intact: {report.files:,} files hashed, {report.decoded:,} images decoded, "
            f"{report.recomposited:,} samples regenerated and equal"
        )

    def _verify(self, console: Console) -> tuple[Store, Report]:
        from evafast.dataset.manifest import any_manifest
        from evafast.dataset.store import open_store
        from evafast.inspection.verify import verify

        store, decode = open_store(self.dataset), not self.no_decode
        manifest = any_manifest(store)
        total = manifest.plan.samples * (1 + decode) if manifest else None
        with console.progress("verifying", total) as bar:
            report = verify(store, recomposite=self.recomposite, decode=decode, advance=bar.update)
        for finding in report.findings:
            print(finding)
        return store, report


@dataclass(frozen=True, kw_only=True)
class Repair(Verify):
    """Regenerate what is missing or damaged, and nothing else.

    Attributes
    ----------
    backgrounds : Path or None
        The original run's backgrounds; needed only if an asset is damaged.
    foregrounds : Path or None
        The original run's foregrounds; needed only if an asset is damaged.
    depth : str or None
        The original run's depth model, if its name in the manifest is not enough.
    device : str
        Device for depth; must have the same type as in the original run.
    """

    backgrounds: Path | None = None
    foregrounds: Path | None = None
    depth: str | None = None
    device: str = "auto"

    def _run(self, console: Console) -> None:
        from evafast.inspection.repair import RepairSources, repair

        store, report = self._verify(console)
        if not report.damage:
            print("nothing to repair")
            return
        sources = RepairSources(
            backgrounds=self.backgrounds, foregrounds=self.foregrounds, depth=self.depth,
            device=self.device,
        )  # fmt: skip
        for line in repair(store, report, sources, console):
            print(f"regenerated: {line}")
        _, after = self._verify(console)
        if after.damage:
            raise RunError(f"repair: {len(after.damage)} findings remain, first: {after.damage[0]}")
        print("everything is intact now")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        given = parse(
            Stats | Preview | Verify | Repair, arguments, prog="evafast inspect",
            description="Inspect a finished dataset.",
        )  # fmt: skip
        set_up_logging(quiet=given.quiet)
        given._run(Console(quiet=given.quiet))

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
