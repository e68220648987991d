"""The chart: bars in plain SVG, with colours that follow the reader's light or dark mode."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

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


def chart(records: dict[str, dict[str, Any]], figure: Callable[[float], str]) -> str:
    """Return the chart of one machine's records.

    Parameters
    ----------
    records : dict
        By name; panels whose record is not there are left out.
    figure : callable
        How numbers are written.
    """
    y, body = 22.0, [_legend(22.0)]
    y += 26
    for name, title in PANELS:
        if name in records:
            part, y = _panel(records[name], title, y, figure)
            body += part
    some = next(iter(records.values()))
    made = some["machine"]
    body.append(
        f'<text class="small" x="16" y="{y + 6:.0f}">{escape(made["cpu"])}, {made["cores"]} cores. '
        f"Medians of interleaved rounds; whiskers: quartiles. Longer is faster.</text>"
    )
    height = y + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img" aria-label="Benchmarks of evafast">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _legend(y: float) -> str:
    parts, x = [], 16
    for kind, text in LEGEND:
        parts.append(f'<rect class="{kind}" x="{x}" y="{y - 11}" width="14" height="12" rx="2"/>')
        parts.append(f'<text class="small" x="{x + 20}" y="{y}">{text}</text>')
        x += 44 + 7 * len(text)
    return "\n".join(parts)


def _panel(
    record: dict[str, Any], title: str, y: float, figure: Callable[[float], str]
) -> tuple[list[str], float]:
    """Return a panel's parts and where the next one begins."""
    rows = [row for row in record["rows"] if row["role"] != "stage"]
    bound = record["facts"].get("allowed_by_stages")
    if bound:
        rate = {"median": bound, "q1": bound, "q3": bound}
        rows.append({"name": "what the stages allow", "role": "limit", "rate": rate})
    rows.sort(key=lambda row: -row["rate"]["median"])
    scale = (WIDTH - LABEL - 110) / max(row["rate"]["q3"] for row in rows)
    parts = [
        f'<text class="title" x="16" y="{y + 22:.0f}">{escape(title)}</text>',
        f'<text class="small" x="16" y="{y + 41:.0f}">{escape(record["unit"])}</text>',
    ]
    top = y + HEAD
    for i, row in enumerate(rows):
        parts += _bar(row, top + i * (BAR + GAP), scale, figure)
    bottom = top + len(rows) * (BAR + GAP)
    parts.append(
        f'<line class="axis" x1="{LABEL}" x2="{LABEL}" y1="{top - 4:.0f}" y2="{bottom - 4:.0f}"/>'
    )
    return parts, bottom + 20


def _bar(
    row: dict[str, Any], y: float, scale: float, figure: Callable[[float], str]
) -> list[str]:
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
