"""Tables of what ``benchmarks/run_gpu.py`` leaves: compositing and depth on a GPU, its steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NOTHING = "No record of a GPU yet: `python benchmarks/run_gpu.py` makes one."


def gpu_block(folder: Path) -> str:
    """Return Markdown of every GPU record in a folder, or a line that says there is none."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        if "--" in path.name or path.name == "schema.json":
            continue
        read = json.loads(path.read_text(encoding="utf-8"))
        if read.get("dry_run") or (read.get("device") or {}).get("name") == "none":
            continue
        if read.get("benchmark") == "compositing_gpu":
            parts.append(_compositing(read))
        elif read.get("benchmark") == "run_gpu":
            parts.append(_steps(read))
        elif "benchmarks" in read:
            parts.append(_by_pytest(path.stem, read))
    return "\n\n".join(part for part in parts if part) or NOTHING


def _compositing(read: dict[str, Any]) -> str:
    ceiling = read["ceilings"]
    lines = [
        f"**Compositing on {_where(read)}**: copy {ceiling['copy_gbps']:,.0f} GB/s, fill "
        f"{ceiling['fill_gbps']:,.0f} GB/s",
        "",
        "| backend | layout | network input | batch | kernel, µs | host, µs | GB/s | of the copy "
        "| million samples/s |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['backend']} | {r['layout']} | {r['network'].removeprefix('torch.')} | {r['batch']} "
        f"| {r['kernel']['median'] * 1e6:.1f} | {r['host']['median'] * 1e6:.1f} | {r['gbps']:,.0f} "
        f"| {r['of_copy']:.2f} | {r['samples_per_second'] / 1e6:.2f} |"
        for r in read["ours"]
    ]
    lines += ["", "| peer | batch | µs | million samples/s | largest difference |",
              "|---|---:|---:|---:|---:|"]  # fmt: skip
    for r in read["peers"]:
        if "missing" in r:
            lines.append(f"| {r['peer']} | {r['batch']} | {r['missing'].replace('|', '/')} | | |")
        else:
            lines.append(
                f"| {r['peer']} | {r['batch']} | {r['seconds']['median'] * 1e6:,.1f} "
                f"| {r['samples_per_second'] / 1e6:.4f} | {r['largest_difference']} |"
            )
    lines += [f"\n{name} skipped: {why}." for name, why in read["skipped"].items()]
    return "\n".join(lines)


def _by_pytest(name: str, read: dict[str, Any]) -> str:
    """Return the results of pytest-benchmark that state images a second."""
    rows = [b for b in read["benchmarks"] if "images_per_second" in b.get("extra_info", {})]
    if not rows:
        return ""
    lines = [f"**{name.capitalize()}, on a GPU**", "",
             "| | precision | batch | images/s | TFLOP/s | of the matmul's |",
             "|---|---|---:|---:|---:|---:|"]  # fmt: skip
    for row in rows:
        info = row["extra_info"]
        lines.append(
            f"| {row['name'].removeprefix('test_').partition('[')[0]}, {info['device']} "
            f"| {info['precision']} | {info['batch']} | {info['images_per_second']:,.0f} "
            f"| {info['tflops']:.1f} | {info['part_of_peak']:.2f} |"
        )
    return "\n".join(lines)


def _steps(read: dict[str, Any]) -> str:
    lines = [f"**Steps of run_gpu.py on {_where(read)}**", "", "| step | exit | s | tests |",
             "|---|---:|---:|---|"]  # fmt: skip
    for step in read["steps"]:
        counts = ", ".join(f"{n} {what}" for what, n in step.get("counts", {}).items())
        lines.append(f"| {step['step']} | {step['code']} | {step['seconds']} | {counts} |")
    return "\n".join(lines)


def _where(read: dict[str, Any]) -> str:
    commit = (read.get("commit") or "unknown")[:9]
    changed = " with changes" if read.get("changed") else ""
    return f"{read['device']['name']}, commit {commit}{changed}, {read['time'][:10]}"
