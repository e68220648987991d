"""Everything that needs a GPU, in one call: the tests, the sanitizer, the benchmarks.

    PYTHONPATH=. python benchmarks/run_gpu.py [--out DIR] [--steps tests sanitizer benchmarks]

Run it from the root of the repository; the package need not be installed. Records and logs go to
``--out``, a table of the steps is printed last. The exit code is 0 if every step passed; without a
GPU they skip. ``EVAFAST_COMMIT`` names the commit of a copy without its history.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("tests", "sanitizer", "benchmarks")
BENCHMARKS = ("bench_compositing.py", "bench_depth.py")
SANITIZED = "small_odd_shapes and cupy and (7 or 16 or 33)"


def run(name: str, words: list[str], options: argparse.Namespace, **more: str) -> dict[str, Any]:
    """Run one program with its output in a log; return a row of the table."""
    log, begin = options.out / f"{name}.log", time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        try:
            code = subprocess.run(
                words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **more}, stdout=file,
                stderr=subprocess.STDOUT, timeout=options.limit, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = 124
    lines = list(filter(None, log.read_text(encoding="utf-8", errors="replace").splitlines()))
    counts = re.findall(r"\d+ (?:passed|failed|skipped|errors?|deselected)", "".join(lines[-1:]))
    for line in lines[-60 if name == "benchmarks" else -12 if code or not counts else -1 :]:
        print(f"  {name}: {line[:160]}")
    seconds = time.perf_counter() - begin
    return {"step": name, "code": code, "seconds": seconds, "counts": ", ".join(counts)}


def pytest_words(*arguments: str) -> list[str]:
    """Return the words that run the GPU's part of pytest without leaving a cache."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "gpu", *arguments]


def main() -> int:
    """Run the chosen steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--limit", type=float, default=540, help="seconds a step may take")
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    steps = []
    if "tests" in options.steps:
        words = pytest_words("-q", "-rs", "--continue-on-collection-errors", "tests")
        steps.append(run("tests", words, options))
    tool = shutil.which("compute-sanitizer") or shutil.which(
        "compute-sanitizer", path="/usr/local/cuda/bin"
    )
    if "sanitizer" in options.steps and tool is None:
        print("  sanitizer: no compute-sanitizer")
    elif "sanitizer" in options.steps:
        tests = pytest_words("-q", "tests/compositing/test_gpu.py", "-k", SANITIZED)
        for check in ("memcheck", "racecheck", "synccheck"):
            words = [str(tool), "--tool", check, "--error-exitcode", "9", *tests]
            steps.append(  # no caching: every tensor gets memory of its own
                run(f"sanitizer-{check}", words, options, PYTORCH_NO_CUDA_MEMORY_CACHING="1")
            )
    if "benchmarks" in options.steps:
        files = [f"benchmarks/{name}" for name in BENCHMARKS]
        words = pytest_words(*files, "--records", str(options.out))
        steps.append(run("benchmarks", words, options))
    for step in steps:
        # pytest's 5 is "nothing collected": no test for a GPU
        verdict = {0: "ok", 5: "none", 124: "timeout"}.get(step["code"], f"exit {step['code']}")
        print(f"{step['step']:<28}{verdict:<10}{step['seconds']:>8.1f} s  {step['counts']}")
    return int(any(step["code"] not in (0, 5) for step in steps))


if __name__ == "__main__":
    sys.exit(main())
