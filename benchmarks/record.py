"""Records: what was measured, on which machine, with which code; one JSON file a measurement.

The schema is stated in ``results/schema.json``. A record names the machine by its processor and
never by its host name, and holds no path of the place where it was made.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SCHEMA_VERSION = 1
PACKAGES = (
    "evafast", "numpy", "numba", "torch", "pillow", "opencv-python-headless", "kornia",
    "albumentationsx", "albumentations", "webdataset", "simplejpeg", "imagecodecs", "zlib-ng",
    "isal", "pytest-benchmark", "cupy-cuda12x", "cupy-cuda13x", "numba-cuda",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Return the machine as far as a reader needs it: processor, cores, memory, GPU, system."""
    cpu, cores = _processor(), os.cpu_count() or 1
    gpu = _gpu()
    words = [gpu["name"]] if gpu else [cpu, f"{cores} cores"]
    return {
        "name": re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-"),
        "cpu": cpu,
        "cores": cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that take part, those installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code() -> dict[str, Any]:
    """Return the commit and whether tracked files differ from it."""
    # Records written a moment ago are no change of what is measured.
    code = "--", ".", f":!{RESULTS.relative_to(ROOT).as_posix()}"
    changed = _git("status", "--porcelain", "--untracked-files=no", *code)
    return {
        "commit": _git("rev-parse", "HEAD") or os.environ.get("EVAFAST_COMMIT"),
        "dirty": None if changed is None else bool(changed),
    }


def new_record(
    name: str,
    *,
    title: str,
    unit: str,
    parameters: dict[str, Any],
    rows: list[dict[str, Any]],
    ratios: list[dict[str, Any]],
    rounds: dict[str, Any] | None = None,
    skipped: dict[str, str] | None = None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a record of this moment.

    Parameters
    ----------
    name : str
        ``SUITE`` or ``SUITE-WHAT``; also the first half of its file name.
    title : str
        What was measured, in a line.
    unit : str
        Of the rows' rates, such as ``samples/s``.
    parameters : dict
        Sizes and settings that the reader would need to repeat it.
    rows : list of dict
        See `benchmarks.race.Race.rows`.
    ratios : list of dict
        See `benchmarks.race.Race.ratio`; both sides were measured in this record.
    rounds : dict, optional
        How many were run and kept, and the share of the machine that others took in those kept.
    skipped : dict of str to str, optional
        What could not take part, and why.
    facts : dict, optional
        Single values that are no rates, such as peak memory.
    """
    record = {
        "schema": SCHEMA_VERSION,
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
    return json.loads(json.dumps(record))  # what a reader of the file will see


def write(record: dict[str, Any], folder: Path) -> Path:
    """Check a record and write it as ``NAME--MACHINE.json``; return its path.

    Raises
    ------
    ValueError
        When it breaks the schema.
    """
    if faults := faults_of(record):
        raise ValueError(f"record {record.get('name')}: {'; '.join(faults)}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record['name']}--{record['machine']['name']}.json"
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_all(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Return every record of this schema in a folder, by file name."""
    found = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*--*.json"))]
    return [record for record in found if record.get("schema") == SCHEMA_VERSION]


def spread(values: list[float] | np.ndarray) -> dict[str, float | int]:
    """Return median, quartiles and number of values."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "q1": float(low), "q3": float(high), "rounds": len(values)}


def schema() -> dict[str, Any]:
    """Return the stated schema (JSON Schema, the small part of it that `faults_of` knows)."""
    return json.loads((RESULTS / "schema.json").read_text(encoding="utf-8"))


def faults_of(record: Any) -> list[str]:
    """Return how a record breaks the schema, a line a fault; empty when it does not."""
    stated = schema()
    return list(_faults(record, stated, "record", stated["$defs"]))


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "null": (type(None),), "integer": (int,), "number": (int, float),
}  # fmt: skip


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _faults(value: Any, rule: dict[str, Any], at: str, defs: dict[str, Any]):  # type: ignore[no-untyped-def]
    if "$ref" in rule:
        rule = defs[rule["$ref"].rpartition("/")[2]]
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at}: expected {' or '.join(kinds)}, got {value!r:.60}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at}: expected one of {rule['enum']}, got {value!r:.60}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{at}: expected {rule['pattern']}, got {value!r:.60}"
    if "exclusiveMinimum" in rule and _is(value, "number") and not value > rule["exclusiveMinimum"]:
        yield f"{at}: expected more than {rule['exclusiveMinimum']}, got {value}"
    if isinstance(value, dict):
        properties, rest = rule.get("properties", {}), rule.get("additionalProperties", True)
        for name in rule.get("required", []):
            if name not in value:
                yield f"{at}.{name}: missing"
        for name, inner in value.items():
            if name in properties:
                yield from _faults(inner, properties[name], f"{at}.{name}", defs)
            elif rest is False:
                yield f"{at}.{name}: not in the schema"
            elif isinstance(rest, dict):
                yield from _faults(inner, rest, f"{at}.{name}", defs)
    if isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            yield f"{at}: expected at least {rule['minItems']} items, got {len(value)}"
        for i, inner in enumerate(value):
            yield from _faults(inner, rule.get("items", {}), f"{at}[{i}]", defs)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _gpu() -> dict[str, Any] | None:
    torch = sys.modules.get("torch")  # not loaded only to be asked
    if torch is None or not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {"name": properties.name, "memory_bytes": properties.total_memory}


def _git(*words: str) -> str | None:
    try:
        ran = subprocess.run(
            ["git", *words], capture_output=True, text=True, check=True, cwd=ROOT
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.strip()
