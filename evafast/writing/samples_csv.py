"""samples.csv: what was pasted where, one row per sample, in writing order."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evafast.dataset.naming import SAMPLES_CSV
from evafast.dataset.store import creating

if TYPE_CHECKING:
    from evafast.dataset.plan import Plan
    from evafast.dataset.store import Store

COLUMNS = ("name", "background", "foreground", "mirrored", "placement", "left", "top", "width",
           "height")  # fmt: skip
_ROWS = 8192


def write_samples_csv(store: Store, plan: Plan) -> None:
    """Write the samples.csv of a plan."""
    backgrounds = [_csv_field(entry.name) for entry in plan.backgrounds]
    foregrounds = [f"{_csv_field(e.name)},{e.mirrored:d}" for e in plan.foregrounds]
    with creating(store, SAMPLES_CSV) as file:
        file.write(",".join(COLUMNS).encode() + b"\n")
        for start in range(0, plan.samples, _ROWS):
            stop = min(start + _ROWS, plan.samples)
            p = plan.recipe[plan.recipe.order[start:stop]]
            columns = (p.background, p.foreground, p.placement, p.left, p.top, p.width, p.height)
            file.write(
                "".join(
                    f"{name},{backgrounds[b]},{foregrounds[f]},{k + 1},{x},{y},{w},{h}\n"
                    for name, b, f, k, x, y, w, h in zip(
                        plan.names.samples(p), *(c.tolist() for c in columns), strict=True
                    )
                ).encode()
            )


def _csv_field(text: str) -> str:
    """Return a file name as a CSV field, quoted if necessary, with undecodable bytes escaped."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow([text])
    return stream.getvalue()[:-2].encode("utf-8", "backslashreplace").decode()
