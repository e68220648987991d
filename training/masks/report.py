"""``python -m training.masks.report``: records of `training.masks.evaluate` as README tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.cli import parse
from evafast.system.console import run_command

TRAINING = Path(__file__).parents[1]
RESULTS, README = TRAINING / "results", TRAINING / "README.md"
Record = dict[str, Any]
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
COLUMNS = {
    "iou": "mask IoU", "dice": "Dice", "boundary_f": "boundary F", "rmse": "depth RMSE",
    "delta1": "depth delta1",
}  # fmt: skip


def read_records(folder: Path = RESULTS) -> dict[str, Record]:
    """Return the records of a folder by name, sorted."""
    return {
        p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))
    }


def tables(records: dict[str, Record]) -> str:
    """Return Markdown: a table for each set of samples, then the commands."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, record in records.items():
        kind = (record["split"], record["size"], record["samples"], record["augmented"])
        groups.setdefault(kind, []).append(name)
    lines = []
    for (split, size, samples, augmented), names in groups.items():
        how = "under augmentation" if augmented else "as they are"
        lines.append(f"**Split by {split}**, {samples:,} held-out samples {how}, {size} px:\n")
        head = ["run", "losses", "steps x batch", "minutes", *COLUMNS.values()]
        lines.append("| " + " | ".join(head) + " |")
        lines.append("| --- " * len(head) + "|")
        lines += [_row(name, records[name]) for name in names]
        lines += _baselines([records[name] for name in names])
        lines.append("")
    lines.append("The commands, and their records in [results](results):\n")
    for name, record in records.items():
        lines.append(f"- *{name}*: `{record['trained_by']}`, then `{record['command']}`")
    return "\n".join(lines)


def _row(name: str, record: Record) -> str:
    model = next(iter(record["scores"]))
    losses = " ".join(f"{k}={v:g}" for k, v in record["losses"].items())
    steps = f"{record['steps']:,} x {record['batch_size']}"
    head = f"| *{name}*: {model} | {losses} | {steps} | {record['trained_minutes']:.0f} |"
    return head + _cells(record["scores"][model])


def _baselines(records: list[Record]) -> list[str]:
    """Return the baselines' rows, from a record with depth if there is one."""
    record = max(records, key=lambda r: "rmse" in r["scores"]["difference"])
    titles = {
        "difference": f"|difference| > {record['difference_threshold']}, mean depth",
        "always background": "always background, mean depth",
    }
    rows = []
    for name, title in titles.items():
        rows.append(
            f"| {title.replace('|', chr(92) + '|')} | | | |" + _cells(record["scores"][name])
        )
    return rows


def _cells(scores: dict[str, float]) -> str:
    return "".join(f" {scores[c]:.3f} |" if c in scores else " |" for c in COLUMNS)


def rewritten(text: str, block: str) -> str:
    """Return a README with its marked block replaced.

    Raises
    ------
    UsageError
        If it has no such block.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"README: expected {BEGIN} and {END}, got neither or one; add them")
    return f"{before}{begin}\n{block}\n{end}{after}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    results : Path
        Folder of records.
    readme : Path or None
        File whose marked block to rewrite.
    """

    results: Path = RESULTS
    readme: Path | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.masks.report",
            description="Print records of training.masks.evaluate as Markdown tables.",
        )  # fmt: skip
        records = read_records(options.results)
        if not records:
            raise UsageError(
                f"results: expected records of training.masks.evaluate --out, got none in "
                f"{quoted(options.results)}; make one"
            )
        block = tables(records)
        if options.readme is None:
            print(block)
        else:
            text = options.readme.read_text(encoding="utf-8")
            options.readme.write_text(rewritten(text, block), encoding="utf-8")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
