"""``python -m training.masks.report``: the records of `training.masks.evaluate` as the tables of README.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.console import OneLineParser, run_command

HERE = Path(__file__).parent
RESULTS, README = HERE / "results", HERE / "README.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
COLUMNS = {
    "iou": "mask IoU", "dice": "Dice", "boundary_f": "boundary F", "rmse": "depth RMSE",
    "delta1": "depth delta1",
}  # fmt: skip


def read_records(folder: Path = RESULTS) -> dict[str, dict]:
    """Return the records of a folder by name, in the order of their names."""
    return {
        p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))
    }


def tables(records: dict[str, dict]) -> str:
    """Return Markdown: a table for each set of samples that runs were scored on, then commands."""
    groups: dict[tuple, list[str]] = {}
    for name, record in records.items():
        kind = (record["split"], record["size"], record["samples"], record["augmented"])
        groups.setdefault(kind, []).append(name)
    pieces = []
    for (split, size, samples, augmented), names in groups.items():
        how = "under augmentation" if augmented else "as they are"
        pieces.append(f"**Split by {split}**, {samples:,} held-out samples {how}, {size} px:\n")
        head = ["run", "losses", "steps x batch", "minutes", *COLUMNS.values()]
        pieces.append("| " + " | ".join(head) + " |")
        pieces.append("| --- " * len(head) + "|")
        pieces += [_row(name, records[name]) for name in names]
        pieces += _baselines([records[name] for name in names])
        pieces.append("")
    pieces.append("The commands, and their records in [results](results):\n")
    for name, record in records.items():
        pieces.append(f"- *{name}*: `{record['trained_by']}`, then `{record['command']}`")
    return "\n".join(pieces)


def _row(name: str, record: dict) -> str:
    model = next(iter(record["scores"]))
    losses = " ".join(f"{k}={v:g}" for k, v in record["losses"].items())
    steps = f"{record['steps']:,} x {record['batch_size']}"
    head = f"| *{name}*: {model} | {losses} | {steps} | {record['trained_minutes']:.0f} |"
    return head + _cells(record["scores"][model])


def _baselines(records: list[dict]) -> list[str]:
    """Return the baselines' rows, of a record that has depth where there is one: its samples."""
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
        When it has no such block.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"README: expected {BEGIN} and {END}, got neither or one; add them")
    return f"{before}{begin}\n{block}\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        parser = OneLineParser(prog="python -m training.masks.report", description=__doc__)
        parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
        parser.add_argument("--readme", type=Path, metavar="FILE", help="rewrite its marked block")
        given: argparse.Namespace = parser.parse_args(arguments)
        records = read_records(given.results)
        if not records:
            raise UsageError(
                f"results: expected records of training.masks.evaluate --out, got none in "
                f"{quoted(given.results)}; make one"
            )
        block = tables(records)
        if given.readme is None:
            print(block)
        else:
            text = given.readme.read_text(encoding="utf-8")
            given.readme.write_text(rewritten(text, block), encoding="utf-8")

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
