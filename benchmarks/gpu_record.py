"""What every record of a benchmark carries: when, where, on what, and how times were summed up."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "numpy", "numba", "numba-cuda", "cupy-cuda13x", "cupy-cuda12x", "pillow",
            "kornia")


def command(*words: str) -> str | None:
    """Return a command's output, or None when it is not there or fails."""
    try:
        ran = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.strip() or None


def machine() -> dict[str, Any]:
    """Return the commit, the device with its driver, and the versions that matter."""
    device: dict[str, Any] = {"name": "none"}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "-i", "0")
        device = {
            "name": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory_bytes": properties.total_memory,
            "l2_bytes": getattr(properties, "L2_cache_size", None),
            "driver": command(*query),
            "cuda_of_torch": torch.version.cuda,
        }
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        # A copy of the tree without its history can say which commit it is.
        "commit": command("git", "rev-parse", "HEAD") or os.environ.get("EVAFAST_COMMIT"),
        "changed": bool(command("git", "status", "--porcelain", "--untracked-files=no")),
        "device": device,
        "python": platform.python_version(),
        "cpu_count": os.cpu_count(),
        "versions": versions,
    }


def spread(seconds: list[float]) -> dict[str, float | int]:
    """Return median and quartiles of a list of times, in seconds."""
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return {"median": float(median), "q1": float(low), "q3": float(high), "runs": len(seconds)}


def write(folder: Path, name: str, record: dict[str, Any]) -> Path:
    """Write one record as JSON; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
    return path
