"""The README's one table: what evafast does a second, against whom, and how far from the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Record = dict[str, Any]

LINES = (
    # what, record, our row, compared with, limit
    ("Compositing image and matte, 224 px", "compositing", "evafast numba, * threads",
     "Pillow", "memcpy + memset"),
    ("Whole run to WebDataset shards, without depth", "generate", "evafast webdataset",
     "the original's way", "what the stages allow"),
    ("100,000 samples in one go, without start-up", "sustained", "generating alone",
     None, "what the stages allow"),
    ("The same, against compositing, JPEG, PNG and SHA-256 by themselves", "sustained",
     "generating alone", None, "what the libraries alone allow"),
    ("100,000 samples in one go, the command from start to end", "sustained", "the whole command",
     None, None),
    ("Whole run with the built-in depth network", "generate-depth",
     "evafast webdataset, built-in depth", "the original's way",
     "built-in depth: the network alone"),
    ("Whole run with DenseDepth-169", "generate-depth", "evafast webdataset, DenseDepth",
     "the original's way", "DenseDepth: the network alone"),
    ("Reading image and mask back, one process", "loading", "evafast, webdataset",
     "Pillow Dataset, files", None),
    ("Making them on the fly instead", "loading", "evafast, on the fly", "Pillow Dataset, files",
     None),
    ("Training steps on the fly (against from disk)", "training", "on the fly", "from disk",
     "network alone"),
)  # fmt: skip


def summary(records: list[Record], figure: Callable[[float], str]) -> str:
    """Return the table of one machine's records; lines whose record is not there are left out.

    Parameters
    ----------
    records : list of dict
        Of one machine.
    figure : callable
        How numbers are written.
    """
    named = {record["name"]: record for record in records}
    lines = ["| | a second | times as fast as | of the limit |", "|---|---:|---:|---:|"]
    for what, name, ours, other, limit in LINES:
        if name not in named:
            continue
        record = named[name]
        row = next((r for r in record["rows"] if _fits(r["name"], ours)), None)
        if row is None:
            continue
        rate = f"**{figure(row['rate']['median'])}** {record['unit'].removesuffix('/s')}"
        cells = [what, rate, _against(record, row["name"], other, figure),
                 _against(record, row["name"], limit, figure)]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _fits(name: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    return name.startswith(head) and name.endswith(tail) if star else name == pattern


def _against(
    record: Record, ours: str, other: str | None, figure: Callable[[float], str]
) -> str:
    """Return a ratio with what it is to, and whether its aim was met."""
    for one in record["ratios"]:
        if one["of"] == ours and one["to"] == other:
            aim = ""
            if "aim" in one:
                aim = f", aim {figure(one['aim'])}: {'met' if one['met'] else '**missed**'}"
            return f"{figure(one['median'])} ({other}{aim})"
    return ""
