"""``python -m evafast.inspect``: statistics, pictures, verification and repair of a data set."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evafast.dataset.store import open_store
from evafast.errors import RunError, UsageError, quoted
from evafast.system.console import Console, OneLineParser, run_command, set_up_logging

if TYPE_CHECKING:
    from evafast.inspection.verify import Verdict

Action = Callable[[argparse.Namespace, Console], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        given = _parser().parse_args(arguments)
        set_up_logging(quiet=given.quiet)
        given.run(given, Console(quiet=given.quiet))

    return run_command(command)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m evafast.inspect", description="Look at a data set that evafast made."
    )
    actions = parser.add_subparsers(required=True, metavar="stats|preview|verify|repair")

    def action(name: str, run: Action, text: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=text, description=text)
        sub.add_argument("dataset", metavar="DIR", help="folder or fsspec address")
        sub.add_argument("--quiet", action="store_true", help="no progress")
        sub.set_defaults(run=run)
        return sub

    stats = action("stats", _stats, "mean and pixel standard deviation of every kind of picture")
    stats.add_argument("--json", action="store_true", help="print JSON")
    preview = action("preview", _preview, "draw a contact sheet and a page to browse samples")
    preview.add_argument("--out", type=Path, metavar="PREFIX",
                         help="of PREFIX.png and PREFIX.html (default: DIR-preview)")  # fmt: skip
    preview.add_argument(
        "--sheet", type=_at_least(1), default=12, metavar="N", help="samples on the sheet"
    )
    preview.add_argument(
        "--page", type=_at_least(1), default=96, metavar="N", help="samples on the page"
    )
    check = action("verify", _verify, "check every file; exit code 1 when something is amiss")
    mend = action("repair", _repair, "make again what is missing or damaged, and nothing else")
    for sub in (check, mend):
        sub.add_argument("--recomposite", type=_at_least(0), default=200, metavar="N",
                         help="samples to make again and compare")  # fmt: skip
        sub.add_argument("--no-decode", action="store_true", help="only hashes and counts")
    mend.add_argument("--backgrounds", type=Path, metavar="DIR", help="as in the original run")
    mend.add_argument("--foregrounds", type=Path, metavar="DIR", help="as in the original run")
    mend.add_argument("--depth", help="the original run's model, where its name does not find it")
    mend.add_argument("--device", default="auto", help="for depth; of the original run's type")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected {least} or more, got {text!r}")
        return int(text)

    return count


def _stats(given: argparse.Namespace, console: Console) -> None:
    from evafast.dataset.reader import open_dataset
    from evafast.inspection.stats import as_text, statistics

    dataset = open_dataset(given.dataset)
    with console.progress("reading", len(dataset)) as progress:
        table = statistics(dataset, progress.advance)
    if given.json:
        print(json.dumps({name: entry.to_json() for name, entry in table.items()}, indent=1))
    else:
        print(as_text(table))


def _preview(given: argparse.Namespace, console: Console) -> None:
    from evafast.dataset.reader import open_dataset
    from evafast.inspection.page import page
    from evafast.inspection.preview import chosen_samples, contact_sheet

    dataset = open_dataset(given.dataset)
    name = str(given.dataset).rstrip("/").rpartition("/")[2]
    prefix = given.out or Path(
        f"{name}-preview" if "://" in given.dataset else f"{given.dataset.rstrip('/')}-preview"
    )
    picture, html = Path(f"{prefix}.png"), Path(f"{prefix}.html")
    for path in (picture, html):
        if path.exists():
            raise UsageError(f"out: {quoted(path)} is there already; move it or give --out PREFIX")
    manifest = dataset.manifest
    shown = chosen_samples(dataset, max(given.sheet, given.page))
    depth = manifest["depth"]["model"] if manifest["depth"] else "none"
    facts = {
        "samples": f"{len(dataset):,}", "backgrounds": str(dataset.recipe.background_count),
        "cut-outs": f"{dataset.recipe.foreground_count} (mirrors included)",
        "canvas": f"{manifest['canvas']} px", "mask": manifest["mask"], "depth": depth,
        "seed": str(manifest["seed"]),
    }  # fmt: skip
    title = (
        f"{name}: {len(dataset):,} samples of {dataset.recipe.background_count} backgrounds and "
        f"{dataset.recipe.foreground_count} cut-outs (mirrors included)"
    )
    try:
        contact_sheet(shown[: given.sheet], title).save(picture)
        html.write_text(page(shown[: given.page], name, facts), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"out: cannot write {quoted(error.filename or prefix)}: {error.strerror}; give "
            "another --out PREFIX"
        ) from None
    console.say(f"wrote {quoted(picture)} and {quoted(html)}")


def _verify(given: argparse.Namespace, console: Console) -> None:
    verdict = _verdict(given, console)
    if verdict.damage:
        raise RunError(
            f"{len(verdict.damage)} findings in {quoted(given.dataset)}; "
            "python -m evafast.inspect repair makes them again"
        )
    print(
        f"sound: {verdict.files:,} files hashed, {verdict.decoded:,} pictures decoded, "
        f"{verdict.recomposited:,} samples made again and equal"
    )


def _repair(given: argparse.Namespace, console: Console) -> None:
    from evafast.inspection.repair import RepairSources, repair

    verdict = _verdict(given, console)
    if not verdict.damage:
        print("nothing to repair")
        return
    sources = RepairSources(
        backgrounds=given.backgrounds, foregrounds=given.foregrounds, depth=given.depth,
        device=given.device,
    )  # fmt: skip
    for line in repair(open_store(given.dataset), verdict, sources):
        print(f"made again: {line}")
    after = _verdict(given, console)
    if after.damage:
        raise RunError(f"repair: {len(after.damage)} findings are left, first: {after.damage[0]}")
    print("sound now")


def _verdict(given: argparse.Namespace, console: Console) -> Verdict:
    from evafast.inspection.verify import verify

    with console.progress("verifying", 0) as progress:
        verdict = verify(
            open_store(given.dataset), recomposite=given.recomposite,
            decode=not given.no_decode, advance=progress.advance,
        )  # fmt: skip
    for finding in verdict.findings:
        print(finding)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
