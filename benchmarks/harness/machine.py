"""The machine and the code that a record was made on, and how busy other processes kept it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evafast.system.threads import usable_cores

ROOT = Path(__file__).resolve().parents[2]
CORES = usable_cores()
PACKAGES = (
    "evafast", "numpy", "numba", "torch", "pillow", "opencv-python-headless", "kornia",
    "albumentationsx", "albumentations", "webdataset", "simplejpeg", "imagecodecs", "zlib-ng",
    "isal", "cupy-cuda12x", "cupy-cuda13x", "numba-cuda", "triton",
)  # fmt: skip
BUSY = 0.1
"""Share of the cores taken by other processes above which a round counts as disturbed."""
_STAT = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """Return the machine without its host name: processor, cores, memory, GPU, system."""
    cpu, cores, gpu = _processor(), os.cpu_count() or 1, _gpu()
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
    """Return the versions of the installed libraries that take part."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code() -> dict[str, Any]:
    """Return the commit and whether tracked files differ from it.

    A copy of the tree without its history takes the commit from ``EVAFAST_COMMIT``.
    """
    # What the benchmarks write themselves does not change what they measure.
    ours = ":!benchmarks/results", ":!benchmarks/README.md", ":!README.md"
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", ".", *ours)
    return {
        "commit": _output("git", "rev-parse", "HEAD") or os.environ.get("EVAFAST_COMMIT"),
        "dirty": None if changed is None else bool(changed),
    }


class Others:
    """Share of all cores that other processes used since `start`."""

    def start(self) -> None:
        """Start measuring."""
        self._before = self._now()

    def share(self) -> float | None:
        """Return the share since `start`, 0..1; None where there is no /proc/stat."""
        busy, own, clock = (b - a for a, b in zip(self._before, self._now(), strict=True))
        if not _STAT.exists():
            return None
        # Ticks are coarse and own time is not: the difference may round to below zero.
        return min(max((busy - own) / ((os.cpu_count() or 1) * clock), 0.0), 1.0)

    def _now(self) -> tuple[float, float, float]:
        busy = 0.0
        if _STAT.exists():
            words = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
            # user, nice, system, irq, softirq; neither idle nor iowait
            busy = sum(int(words[i]) for i in (0, 1, 2, 5, 6)) / _TICKS
        own = sum(os.times()[:4])  # children count once they have ended
        return busy, own, time.perf_counter()


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _gpu() -> dict[str, Any] | None:
    torch = sys.modules.get("torch")  # not imported just for this
    if torch is None or not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "-i", "0")
    return {
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "driver": _output(*query),
        "cuda": torch.version.cuda,
    }


def _output(*words: str) -> str | None:
    """Return the output of a command; None where it fails or is missing."""
    try:
        ran = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.strip()
