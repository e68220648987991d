"""samples.csv: what was pasted where, a row a sample, in the order in which samples are written."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evafast.dataset.naming import SAMPLES

if TYPE_CHECKING:
    from evafast.dataset.naming import Names
    from evafast.dataset.sample import BankNames
    from evafast.dataset.store import Store
    from evafast.sampling.recipe import Recipe

COLUMNS = ("name", "background", "foreground", "mirrored", "placement", "left", "top", "width",
           "height")  # fmt: skip
_CHUNK = 8192


def csv_field(text: str) -> str:
    """Return a file name as a CSV field: quoted where need be, undecodable bytes escaped."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow([text])
    return stream.getvalue()[:-2].encode("utf-8", "backslashreplace").decode()


def write_samples(
    store: Store, recipe: Recipe, samples: int, names: Names, bank_names: BankNames
) -> None:
    """Write samples.csv for the first `samples` of the shuffled order."""
    backgrounds = [csv_field(name) for name in bank_names.backgrounds]
    foregrounds = [
        f"{csv_field(name)},{mirrored:d}"
        for name, mirrored in map(bank_names.foreground, range(recipe.foreground_count))
    ]
    with store.writing(SAMPLES) as stream:
        header = ",".join(COLUMNS).encode() + b"\n"
        for start in range(-_CHUNK, samples, _CHUNK):
            data = header
            if start >= 0:
                order = recipe.order[start : min(start + _CHUNK, samples)]
                p = recipe[order]
                columns = zip(
                    names.samples(p), p.background.tolist(), p.foreground.tolist(),
                    p.placement.tolist(), p.left.tolist(), p.top.tolist(), p.width.tolist(),
                    p.height.tolist(), strict=True,
                )  # fmt: skip
                data = "".join(
                    f"{name},{backgrounds[b]},{foregrounds[f]},{k + 1},{x},{y},{w},{h}\n"
                    for name, b, f, k, x, y, w, h in columns
                ).encode()
            stream.write(data)
