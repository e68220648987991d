"""Records to Markdown tables, a chart and the marked blocks of the READMEs.

    python -m benchmarks.report             print the tables of all records
    python -m benchmarks.report --update    redraw the charts, rewrite the READMEs' marked blocks

A block stands between ``<!-- benchmarks:NAME -->`` and ``<!-- /benchmarks -->``. *summary* is the
short table of README.md, *tables* everything, for benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.chart import PANELS, chart
from benchmarks.harness.machine import BUSY, ROOT
from benchmarks.harness.record import RESULTS, Record, read_all

BLOCK = re.compile(
    r"(?P<open><!-- benchmarks:(?P<name>\w+) -->)(?P<body>.*?)(?P<close><!-- /benchmarks -->)",
    re.DOTALL,
)
READMES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
EQUAL = {True: "yes", False: "no", None: "–"}
STYLES = {"ours": "**{}**", "limit": "*{}*"}
SUMMARY = (
    # what, record, our row, (compared with, as shown), limit
    ("Compositing, image and matte at 224 px", "compositing", "evafast numba, * threads",
     ("Pillow", "Pillow"), "memcpy + memset"),
    ("Whole run to WebDataset shards, no depth", "generate", "evafast webdataset",
     ("the original's way", "the original's way"), "what the stages allow"),
    ("Whole run with depth, built-in network", "generate-depth",
     "evafast webdataset, built-in depth",
     ("the original's way", "the original's way, with DenseDepth-169"),
     "built-in depth: the network alone"),
    ("Reading image and mask back, one process", "loading", "evafast, webdataset",
     ("webdataset library, OpenCV", "webdataset + OpenCV"), None),
)  # fmt: skip


def figure(value: float) -> str:
    """Return a number as every table shows it: three significant digits, thousands separated."""
    if value == 0:
        return "0"
    digits = 2 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def spread_text(values: Record) -> str:
    """Return median and quartiles."""
    return f"{figure(values['median'])} ({figure(values['q1'])} to {figure(values['q3'])})"


def aim_text(ratio: Record) -> str:
    """Return the aim of a ratio and whether it is met; nothing without one."""
    if "aim" not in ratio:
        return ""
    return f"aim {figure(ratio['aim'])}: {'met' if ratio['met'] else '**missed**'}"


def fact_text(name: str, value: Any) -> str:
    """Return a fact with its unit; many bytes as MB or GB."""
    if isinstance(value, str):
        return value
    for limit, unit in ((1e9, "GB"), (1e5, "MB")):
        if name.endswith("_bytes") and value >= limit:
            return f"{figure(value / {'GB': 1e9, 'MB': 1e6}[unit])} {unit}"
    unit = {"_bytes": " bytes", "_seconds": " s", "_db": " dB"}
    return figure(value) + next((text for end, text in unit.items() if name.endswith(end)), "")


def where(record: Record) -> str:
    """Return the machine that a record was made on."""
    made = record["machine"]
    gpu = f", {made['gpu']['name']}" if made["gpu"] else ""
    return f"{made['cpu']}, {made['cores']} cores{gpu}"


def about(record: Record) -> str:
    """Return where and when a record was made, one line."""
    commit = (record["commit"] or "unknown")[:9] + (" with changes" if record["dirty"] else "")
    text = (
        f"{where(record)}; commit {commit}, {record['date'][:10]}; "
        f"median (quartiles) of {record['rows'][0]['rate']['rounds']} interleaved rounds"
    )
    took = record["rounds"].get("others_took") or 0.0
    if took > BUSY:
        text += (
            f", the quietest of {record['rounds']['run']}; other processes used "
            f"{figure(100 * took)} % of the machine"
        )
    return text


def table(record: Record) -> str:
    """Return a record as Markdown: fastest first, then the ratios with their aims."""
    rows = sorted(record["rows"], key=lambda row: -row["rate"]["median"])
    facts = sorted({name for row in rows for name in row.get("facts", {})})
    equal = any(row["equal"] is not None for row in rows)
    lines = [
        f"**{record['title']}** ({record['parameters'].get('pictures', 'no images')})", "",
        _line("", record["unit"], *["same pixels"] * equal, *map(_spoken, facts), "note"),
        _line("---", *["---:"] * (1 + equal + len(facts)), "---"),
    ]  # fmt: skip
    for row in rows:
        own = row.get("facts", {})
        lines.append(_line(
            STYLES.get(row["role"], "{}").format(row["name"]), spread_text(row["rate"]),
            *[EQUAL[row["equal"]]] * equal,
            *(fact_text(name, own[name]) if name in own else "" for name in facts),
            row.get("note", ""),
        ))  # fmt: skip
    if record["ratios"]:
        lines += ["", _line("ratio", "median (quartiles)", "aim"), _line("---", "---:", "---")]
        lines += [
            _line(f"{one['of']} / {one['to']}", spread_text(one), aim_text(one))
            for one in record["ratios"]
        ]
    said = [f"{_spoken(name)}: {fact_text(name, value)}" for name, value in record["facts"].items()
            if not isinstance(value, dict)]  # fmt: skip
    if busy := record["facts"].get("busy"):
        said.append("busy: " + ", ".join(f"{k} {figure(v)}" for k, v in busy.items()))
    said += [f"{name} skipped: {why}" for name, why in record["skipped"].items()]
    return "\n".join([*lines, "", "; ".join([*said, about(record)]) + "."])


def _spoken(name: str) -> str:
    return re.sub("_(bytes|seconds|db)$", "", name).replace("_", " ")


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def as_text(record: Record) -> str:
    """Return a record as a few lines for a terminal."""
    lines = [f"{record['title']} [{record['unit']}]"]
    for row in sorted(record["rows"], key=lambda row: -row["rate"]["median"]):
        same = {True: "same pixels", False: "other pixels", None: ""}[row["equal"]]
        median, _, quartiles = spread_text(row["rate"]).partition(" ")
        lines.append(f"  {row['name']:<44}{median:>10} {quartiles:<26}{same}")
    for one in record["ratios"]:
        aim = aim_text(one).replace("**", "")
        lines.append(f"  {one['of']} / {one['to']}: {spread_text(one)}  {aim}")
    lines += [f"  {name} skipped: {why}" for name, why in record["skipped"].items()]
    if weak := record["facts"].get("weak"):
        lines.append(f"  weak figures: {weak}")
    return "\n".join(line.rstrip() for line in lines)


def summary(records: list[Record]) -> str:
    """Return the short table of one machine's records, empty if it has none of these rows."""
    named, lines, seen = {record["name"]: record for record in records}, [], []
    for what, name, pattern, (other, shown), limit in SUMMARY:
        rows = named.get(name, {"rows": []})["rows"]
        row = next((r for r in rows if fnmatchcase(r["name"], pattern)), None)
        if row is None:
            continue
        record = named[name]
        seen.append(record)
        rate = f"**{figure(row['rate']['median'])}** {record['unit'].removesuffix('/s')}"
        lines.append(_line(what, rate, _against(record, row["name"], other, shown),
                           _against(record, row["name"], limit, limit)))  # fmt: skip
    if not seen:
        return ""
    rounds = _span({row["rate"]["rounds"] for record in seen for row in record["rows"]})
    dates = _span({record["date"][:10] for record in seen})
    return "\n".join([
        _line("", "per second", "times as fast as", "of the limit"), "|---|---:|---:|---:|", *lines,
        "", f"{where(seen[0])}; medians of {rounds} interleaved rounds, {dates}.",
    ])  # fmt: skip


def _against(record: Record, ours: str, other: str | None, shown: str | None) -> str:
    one = next((r for r in record["ratios"] if (r["of"], r["to"]) == (ours, other)), None)
    if one is None:
        return ""
    return f"{figure(one['median'])} ({', '.join(filter(None, [shown, aim_text(one)]))})"


def _span(values: set[Any]) -> str:
    first, last = min(values), max(values)
    return str(first) if first == last else f"{first} to {last}"


def by_machine(records: list[Record]) -> dict[str, list[Record]]:
    """Return records by the name of the machine."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["machine"]["name"], []).append(record)
    return found


def chart_of(records: list[Record]) -> str | None:
    """Return the chart of one machine's records; None where it would be empty."""
    named = {record["name"]: record for record in records}
    return chart(named, figure) if any(name in named for name, _ in PANELS) else None


def blocks(records: list[Record]) -> dict[str, str]:
    """Return what stands in the READMEs' marked blocks, by name."""
    summaries, tables = [], []
    for name, mine in by_machine(records).items():
        summaries += filter(None, [summary(mine)])
        if chart_of(mine):
            tables.append(f"![Benchmarks on {name}](results/chart--{name}.svg)")
        tables += map(table, mine)
    found = {"summary": summaries, "tables": tables}
    return {name: "\n\n" + "\n\n".join(parts) + "\n\n" for name, parts in found.items()}


def rewritten(text: str, records: list[Record]) -> str:
    """Return a text with its marked blocks as the records have them; KeyError for unknown ones."""
    found = blocks(records)
    return BLOCK.sub(lambda m: m["open"] + found[m["name"]] + m["close"], text)


def main(arguments: list[str] | None = None) -> int:
    """Print tables, or redraw charts and rewrite READMEs; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, default=RESULTS, metavar="DIR")
    update = "rewrite these files' blocks (default: both READMEs) and the charts"
    parser.add_argument("--update", nargs="*", type=Path, metavar="FILE", help=update)
    options = parser.parse_args(arguments)
    records = read_all(options.records)
    if options.update is None:
        print("\n\n".join(map(table, records)))
        return 0
    for name, mine in by_machine(records).items():
        if drawn := chart_of(mine):
            (options.records / f"chart--{name}.svg").write_text(drawn, encoding="utf-8")
    for path in options.update or READMES:
        try:
            text = rewritten(path.read_text(encoding="utf-8"), records)
        except KeyError as error:
            print(f"error: {path}: expected block summary or tables, got {error}", file=sys.stderr)
            return 1
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
