"""The chart: bars in plain SVG, with colours that follow the reader's light or dark mode."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

Record = dict[str, Any]
Figure = Callable[[float], str]

WIDTH, LABEL, BAR, GAP, HEAD = 880, 262, 22, 8, 58
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .strong { font-weight: 600 }
  .ours { fill: #0b6bcb }
  .peer { fill: #afb8c1 }
  .baseline { fill: #d1793a }
  .limit { fill: none; stroke: #59636e; stroke-dasharray: 4 3 }
  .whisker { stroke: #1f2328; stroke-width: 1.2 }
  .axis { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .ours { fill: #58a6ff }
    .peer { fill: #59636e }
    .baseline { fill: #e09b63 }
    .limit { stroke: #9198a1 }
    .whisker { stroke: #e6edf3 }
    .axis { stroke: #3d444d }
  }
"""
LEGEND = (("ours", "evafast"), ("peer", "other libraries"), ("baseline", "the original's way"),
          ("limit", "what the machine can do"))  # fmt: skip
PANELS = (
    ("compositing", "Compositing: image and matte, 224 px"),
    ("generate", "Whole runs to disk: JPEG and matte PNG, without depth"),
    ("loading", "Reading back, or making on the fly: image and mask"),
)


def chart(records: dict[str, Record], figure: Figure) -> str:
    """Return the chart of one machine's records.

    Parameters
    ----------
    records : dict
        By name; panels without a record are left out.
    figure : callable
        Formats numbers.
    """
    y, body = 48.0, [_legend(22.0)]
    for name, title in PANELS:
        if name in records:
            part, y = _panel(records[name], title, y, figure)
            body += part
    machine = next(iter(records.values()))["machine"]
    height = y + 24
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img" aria-label="Benchmarks of evafast">',
        f"<style>{STYLE}</style>",
        *body,
        f'<text class="small" x="16" y="{y + 6:.0f}">{escape(machine["cpu"])}, {machine["cores"]} '
        "cores. Medians of interleaved rounds; whiskers: quartiles. Longer is faster.</text>",
        "</svg>\n",
    ])  # fmt: skip


def _legend(y: float) -> str:
    parts, x = [], 16
    for kind, text in LEGEND:
        parts.append(f'<rect class="{kind}" x="{x}" y="{y - 11}" width="14" height="12" rx="2"/>')
        parts.append(f'<text class="small" x="{x + 20}" y="{y}">{text}</text>')
        x += 44 + 7 * len(text)
    return "\n".join(parts)


def _panel(record: Record, title: str, y: float, figure: Figure) -> tuple[list[str], float]:
    """Return a panel's parts and where the next one begins."""
    rows = [row for row in record["rows"] if row["role"] != "stage"]
    if bound := record["facts"].get("allowed_by_stages"):
        rate = dict.fromkeys(("median", "q1", "q3"), bound)
        rows.append({"name": "what the stages allow", "role": "limit", "rate": rate})
    rows.sort(key=lambda row: -row["rate"]["median"])
    scale = (WIDTH - LABEL - 110) / max(row["rate"]["q3"] for row in rows)
    top = y + HEAD
    bottom = top + len(rows) * (BAR + GAP)
    bars = [part for i, row in enumerate(rows)
            for part in _bar(row, top + i * (BAR + GAP), scale, figure)]  # fmt: skip
    return [
        f'<text class="title" x="16" y="{y + 22:.0f}">{escape(title)}</text>',
        f'<text class="small" x="16" y="{y + 41:.0f}">{escape(record["unit"])}</text>',
        *bars,
        f'<line class="axis" x1="{LABEL}" x2="{LABEL}" y1="{top - 4:.0f}" y2="{bottom - 4:.0f}"/>',
    ], bottom + 20


def _bar(row: Record, y: float, scale: float, figure: Figure) -> list[str]:
    rate = row["rate"]
    length, middle = max(rate["median"] * scale, 1.0), y + BAR / 2
    low, high = (LABEL + rate[q] * scale for q in ("q1", "q3"))
    strong = ' class="strong"' if row["role"] == "ours" else ""
    other = " (other pixels)" if row.get("equal") is False else ""
    parts = [
        f'<text{strong} x="{LABEL - 10}" y="{middle + 4.5:.1f}" text-anchor="end">'
        f"{escape(row['name'])}</text>",
        f'<rect class="{row["role"]}" x="{LABEL}" y="{y:.0f}" width="{length:.1f}" '
        f'height="{BAR}" rx="3"/>',
        f'<text{strong} x="{max(high, LABEL + length) + 8:.1f}" y="{middle + 4.5:.1f}">'
        f"{figure(rate['median'])}{other}</text>",
    ]
    if high - low > 2:
        parts.append(
            f'<path class="whisker" fill="none" d="M{low:.1f} {middle - 4:.1f}v8M{low:.1f} '
            f'{middle:.1f}H{high:.1f}M{high:.1f} {middle - 4:.1f}v8"/>'
        )
    return parts
