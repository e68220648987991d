"""Records: what was measured, on which machine, with which code; one JSON file per measurement.

CPU and GPU records share the one format, stated in ``results/schema.json``. A record has neither a
host name nor a path.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.machine import ROOT, code, machine, versions

RESULTS = ROOT / "benchmarks" / "results"
SCHEMA = RESULTS / "schema.json"
Record = dict[str, Any]


def new_record(
    name: str, *, title: str, unit: str, rows: list[Record], ratios: list[Record],
    parameters: Record, rounds: Record | None = None, skipped: dict[str, str] | None = None,
    facts: Record | None = None,
) -> Record:  # fmt: skip
    """Return a record of this moment.

    `rows` come from `Race.rows`, `ratios` from `Race.ratio`, `rounds` from `Race.rounds`; `skipped`
    says what could not take part and why, `facts` has single values that are not rates.
    """
    record = {
        "schema": 1,
        "name": name,
        "title": title,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **code(),
        "machine": machine(),
        "versions": versions(),
        "parameters": parameters,
        "unit": unit,
        "rows": rows,
        "ratios": ratios,
        "rounds": rounds or {},
        "skipped": skipped or {},
        "facts": facts or {},
    }
    return json.loads(json.dumps(record, allow_nan=False))  # as a reader of the file sees it


def check(record: Record) -> None:
    """Raise ``jsonschema.ValidationError`` if a record breaks the schema."""
    try:
        import jsonschema
    except ImportError:  # a GPU machine without it; the tests check committed records
        return
    jsonschema.validate(record, json.loads(SCHEMA.read_text(encoding="utf-8")))


def write(record: Record, folder: Path = RESULTS) -> Path:
    """Check a record, write it as ``NAME--MACHINE.json`` and return the path."""
    check(record)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record['name']}--{record['machine']['name']}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def read_all(folder: Path = RESULTS) -> list[Record]:
    """Return all records in a folder, by file name."""
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*--*.json"))]


def spread(values: list[float] | np.ndarray) -> dict[str, float | int]:
    """Return the median, the quartiles and the number of values."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "q1": float(low), "q3": float(high), "rounds": len(values)}


def ratio(of: str, to: str, values: Any, aim: float | None = None) -> Record:
    """Return a record's ratio from the values of each round; with `aim`, whether it is met."""
    found: Record = {"of": of, "to": to, **spread(values)}
    if aim is not None:
        found |= {"aim": aim, "met": found["median"] >= aim}
    return found
