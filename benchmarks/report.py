"""Records to Markdown tables, a chart, and the README's marked blocks.

    python -m benchmarks.report                      print the tables of every record
    python -m benchmarks.report --chart              draw results/chart--MACHINE.svg
    python -m benchmarks.report --readme README.md   rewrite what lies between the marks

A mark is an HTML comment; what stands between a pair of them comes from records alone::

    <!-- benchmarks:compositing -->                            a record's table
    <!-- /benchmarks -->
    <!-- benchmarks:rate compositing/NumPy --><!-- /benchmarks -->           one rate
    <!-- benchmarks:ratio compositing/NumPy/Pillow --><!-- /benchmarks -->   one ratio
    <!-- benchmarks:fact sustained/peak_memory_bytes --><!-- /benchmarks --> one fact
    <!-- benchmarks:summary --><!-- /benchmarks -->   the chart and one table, a machine each
    <!-- benchmarks:chart --><!-- /benchmarks -->     the chart alone
    <!-- benchmarks:gpu --><!-- /benchmarks -->       what run_gpu.py left

Aims that were missed are shown as missed, and peers that are faster stand above ours.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import record as records_
from benchmarks.chart import chart
from benchmarks.gpu_tables import gpu_block
from benchmarks.others import QUIET
from benchmarks.summary import LINES, summary

Record = dict[str, Any]
MARK = re.compile(
    r"<!-- benchmarks:(?P<name>[^>]*?) -->(?P<body>.*?)<!-- /benchmarks -->", re.DOTALL
)
EQUAL = {True: "yes", False: "no", None: "–"}
NAMES = {"ours": "**{}**", "limit": "*{}*", "stage": "{}", "peer": "{}", "baseline": "{}"}
SHOWN = ("compositing", "generate")
"""Records without which a machine has neither chart nor summary."""


def figure(value: float) -> str:
    """Return a number as every table shows it: three significant digits, thousands set apart."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    rounded = round(value, digits) if digits else round(value, 2 - int(np.floor(np.log10(value))))
    return f"{rounded:,.{digits}f}"


def spread_of(values: dict[str, Any]) -> str:
    """Return median and quartiles."""
    return f"{figure(values['median'])} ({figure(values['q1'])} to {figure(values['q3'])})"


def fact_text(name: str, value: Any) -> str:
    """Return a fact with its unit; bytes as GB where there are many."""
    if name.endswith("_bytes") and value >= 1e9:
        return f"{figure(value / 1e9)} GB"
    if name.endswith("_bytes") and value >= 1e5:
        return f"{figure(value / 1e6)} MB"
    unit = {"_bytes": " bytes", "_seconds": " s", "_db": " dB"}
    suffix = next((u for end, u in unit.items() if name.endswith(end)), "")
    return f"{figure(value)}{suffix}" if not isinstance(value, str) else value


def where(record: Record) -> str:
    """Return the machine that a record was made on."""
    made = record["machine"]
    gpu = f", {made['gpu']['name']}" if made["gpu"] else ""
    return f"{made['cpu']}, {made['cores']} cores{gpu}"


def about(record: Record) -> str:
    """Return where and when a record was made, in a line."""
    commit = (record["commit"] or "unknown")[:9] + (" with changes" if record["dirty"] else "")
    rounds = record["rows"][0]["rate"]["rounds"]
    return (
        f"{where(record)}; commit {commit}, {record['date'][:10]}; "
        f"median (quartiles) of {rounds} interleaved rounds{_disturbed(record)}"
    )


def _disturbed(record: Record) -> str:
    """Return how busy others kept the machine; nothing where it was quiet or is not known."""
    took = record["rounds"].get("others_took")
    if took is None or took <= QUIET:
        return ""
    return (
        f", the quietest of {record['rounds']['run']}; other processes took {figure(100 * took)} % "
        "of the machine meanwhile"
    )


def table(record: Record) -> str:
    """Return a record as Markdown: fastest first, then the ratios with their aims."""
    rows = sorted(record["rows"], key=lambda row: -row["rate"]["median"])
    facts = sorted({name for row in rows for name in row.get("facts", {})})
    equal = any(row["equal"] is not None for row in rows)
    heads = ["", record["unit"], *(["same pixels"] if equal else []),
             *(_spoken(name) for name in facts), "note"]  # fmt: skip
    lines = [f"**{record['title']}** ({record['parameters'].get('pictures', 'no pictures')})", ""]
    lines += [_line(heads), _line(["---", *["---:"] * (len(heads) - 2), "---"])]
    for row in rows:
        own = row.get("facts", {})
        lines.append(_line([
            NAMES[row["role"]].format(row["name"]), spread_of(row["rate"]),
            *([EQUAL[row["equal"]]] if equal else []),
            *(fact_text(name, own[name]) if name in own else "" for name in facts),
            row.get("note", ""),
        ]))  # fmt: skip
    if record["ratios"]:
        lines += ["", _line(["ratio", "median (quartiles)", "aim"]), _line(["---", "---:", "---"])]
        for one in record["ratios"]:
            aim = ""
            if "aim" in one:
                aim = f"{figure(one['aim'])}: {'met' if one['met'] else '**missed**'}"
            lines.append(_line([f"{one['of']} / {one['to']}", spread_of(one), aim]))
    said = [f"{_spoken(name)}: {fact_text(name, value)}" for name, value in record["facts"].items()
            if not isinstance(value, dict)]  # fmt: skip
    busy = record["facts"].get("busy")
    if busy:
        said.append("busy: " + ", ".join(f"{k} {figure(v)}" for k, v in busy.items()))
    said += [f"{name} skipped: {why}" for name, why in record["skipped"].items()]
    lines += ["", "; ".join([*said, about(record)]) + "."]
    return "\n".join(lines)


def _spoken(name: str) -> str:
    for ending in ("_bytes", "_seconds", "_db"):
        name = name.removesuffix(ending)
    return name.replace("_", " ")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def as_text(record: Record) -> str:
    """Return a record as a few lines for a terminal."""
    lines = [f"{record['title']} [{record['unit']}]"]
    for row in sorted(record["rows"], key=lambda row: -row["rate"]["median"]):
        same = {True: "same pixels", False: "other pixels", None: ""}[row["equal"]]
        lines.append(f"  {row['name']:<40}{spread_of(row['rate']):>32}  {same}")
    for one in record["ratios"]:
        aim = ""
        if "aim" in one:
            aim = f"  aim {figure(one['aim'])}: {'met' if one['met'] else 'MISSED'}"
        lines.append(f"  {one['of']} / {one['to']}: {spread_of(one)}{aim}")
    lines += [f"  {name} skipped: {why}" for name, why in record["skipped"].items()]
    return "\n".join(lines)


def depth_record(benchmarks: list[Any]) -> Record:
    """Return what bench_depth.py measured through pytest-benchmark as a record.

    Parameters
    ----------
    benchmarks : list
        pytest-benchmark's own results, with the extra information that bench_depth.py gives.
    """
    rows, ratios = [], []
    for one in benchmarks:
        info = one.extra_info
        rates = info["batch"] / np.array(one.stats.data)
        network = "built-in network" if "compact" in one.name else "DenseDepth-169"
        name = f"{network}, {info['precision']}, {info['device']}"
        rows.append({
            "name": name, "role": "ours", "work": info["batch"], "rate": records_.spread(rates),
            "equal": None, "facts": {"gflop_per_image": info["gflop_per_image"]},
        })  # fmt: skip
        peak = info["matmul_tflops"] * 1e12
        flops = info["gflop_per_image"] * 1e9
        ratios.append({
            "of": name, "to": f"matmul's rate in {info['precision']} in the same run",
            **records_.spread(rates * flops / peak),
        })  # fmt: skip
    return records_.new_record(
        "depth", title="Depth networks at 224 px", unit="images/s", rows=rows, ratios=ratios,
        parameters={"threads": benchmarks[0].extra_info["threads"]},
    )  # fmt: skip


class Report:
    """What the records of a folder say.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path = records_.RESULTS) -> None:
        self.folder = folder
        self.records = records_.read_all(folder)

    def named(self, name: str) -> list[Record]:
        """Return the records of a name, one a machine.

        Raises
        ------
        KeyError
            When there is none.
        """
        found = [r for r in self.records if r["name"] == name]
        if not found:
            raise KeyError(f"no record {name!r} in {self.folder.name}/; run its benchmark first")
        return found

    def block(self, name: str) -> str:
        """Return what stands between the marks of a name."""
        kind, _, rest = name.partition(" ")
        inline: dict[str, Callable[..., str]] = {
            "rate": self._rate, "ratio": self._ratio, "fact": self._fact,
        }  # fmt: skip
        if kind in inline:
            return inline[kind](*rest.split("/"))
        if name == "summary":
            return "\n" + "".join(self._summary(m) for m in self.machines())
        if name == "chart":
            return "\n" + "\n".join(self._picture(m) for m in self.machines()) + "\n"
        if name == "gpu":
            return f"\n{gpu_block(self.folder)}\n"
        return "\n" + "\n\n".join(table(r) for r in self.named(name)) + "\n"

    def machines(self) -> list[str]:
        """Return the names of the machines that have records of compositing or whole runs."""
        return sorted({r["machine"]["name"] for r in self.records if r["name"] in SHOWN})

    def _rate(self, name: str, row: str) -> str:
        found = [r for r in self.named(name)[0]["rows"] if r["name"] == row]
        return figure(_only(found, row)["rate"]["median"])

    def _ratio(self, name: str, of: str, to: str) -> str:
        found = [r for r in self.named(name)[0]["ratios"] if (r["of"], r["to"]) == (of, to)]
        return figure(_only(found, f"{of}/{to}")["median"])

    def _fact(self, name: str, fact: str) -> str:
        return fact_text(fact, self.named(name)[0]["facts"][fact])

    def _summary(self, machine: str) -> str:
        mine = [r for r in self.records if r["machine"]["name"] == machine]
        seen = [r for r in mine if r["name"] in {line[1] for line in LINES}]
        rounds = _span(sorted({row["rate"]["rounds"] for r in seen for row in r["rows"]}))
        dates = _span(sorted({r["date"][:10] for r in seen}))
        return (
            f"\n{self._picture(machine)}\n\n{summary(mine, figure)}\n\n{where(seen[0])}; medians "
            f"of {rounds} interleaved rounds, {dates}; each record names its commit. Ratios are "
            "medians of ratios taken in the same run; all tables: "
            "`python -m benchmarks.report`.\n\n"
        )

    def _picture(self, machine: str) -> str:
        return f"![Benchmarks on {machine}](benchmarks/results/chart--{machine}.svg)"

    def draw(self) -> list[Path]:
        """Draw each machine's chart; return the paths."""
        paths = []
        for machine in self.machines():
            mine = {r["name"]: r for r in self.records if r["machine"]["name"] == machine}
            path = self.folder / f"chart--{machine}.svg"
            path.write_text(chart(mine, figure), encoding="utf-8")
            paths.append(path)
        return paths

    def rewritten(self, text: str) -> str:
        """Return a README with every marked block as the records have it."""
        return MARK.sub(
            lambda m: f"<!-- benchmarks:{m['name']} -->{self.block(m['name'])}<!-- /benchmarks -->",
            text,
        )


def _span(ordered: list[Any]) -> str:
    first, last = ordered[0], ordered[-1]
    return str(first) if first == last else f"{first} to {last}"


def _only(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if not found:
        raise KeyError(f"no row or ratio {name!r} in the record")
    return found[0]


def main(arguments: list[str] | None = None) -> int:
    """Print tables, draw charts or rewrite a README; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, default=records_.RESULTS, metavar="DIR")
    parser.add_argument("--chart", action="store_true", help="draw a chart a machine")
    parser.add_argument("--readme", type=Path, help="rewrite this file's marked blocks")
    options = parser.parse_args(arguments)
    report = Report(options.records)
    try:
        if options.chart:
            for path in report.draw():
                print(path.name)
        if options.readme:
            text = options.readme.read_text(encoding="utf-8")
            options.readme.write_text(report.rewritten(text), encoding="utf-8")
    except KeyError as error:
        print(f"error: {error.args[0]}", file=sys.stderr)
        return 1
    if not options.chart and not options.readme:
        for record in report.records:
            print(table(record), end="\n\n")
        print(gpu_block(options.records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
