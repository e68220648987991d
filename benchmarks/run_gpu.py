"""Everything that wants a GPU, in one run: the tests, the sanitizer, the benchmarks.

    PYTHONPATH=. python benchmarks/run_gpu.py [--out DIR] [--steps tests sanitizer benchmarks]

Run it from the root of the repository; the package need not be installed. It leaves JSON records
(device, driver, commit and all numbers) and logs in ``--out`` and prints a short table last. The
exit code is 0 when every step passed. Without a GPU the tests and benchmarks skip and say so.
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

from gpu_record import ROOT, machine, write

STEPS = ("tests", "sanitizer", "benchmarks")
BENCHMARKS = ("bench_compositing_gpu.py", "bench_depth*.py")
SANITIZED = "small_odd_shapes and cupy and (7 or 16 or 33)"


def run(name: str, words: list[str], options: argparse.Namespace, **more: str) -> dict[str, Any]:
    """Run one program with its output in a log; return what the table shows."""
    log = options.out / f"{name}.log"
    begin = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    with log.open("w", encoding="utf-8") as file:
        try:
            code = subprocess.run(
                words, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT,
                timeout=options.limit, check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    counts = re.findall(r"(\d+) (passed|failed|skipped|errors?|deselected)", last)
    return {
        "step": name, "code": code, "seconds": round(time.perf_counter() - begin, 1),
        "counts": {what: int(count) for count, what in counts}, "log": log.name,
        "said": lines[-12:] if code or not counts else lines[-1:],
    }  # fmt: skip


def pytest_words(*arguments: str) -> list[str]:
    """Return the words that run pytest without leaving a cache."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]


def sanitizer_steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the small tests under compute-sanitizer, every tensor with memory of its own."""
    tool = shutil.which("compute-sanitizer") or shutil.which(
        "compute-sanitizer", path="/usr/local/cuda/bin"
    )
    if tool is None:
        return [{"step": "sanitizer", "code": 0, "seconds": 0, "said": ["no compute-sanitizer"]}]
    tests = pytest_words("-m", "gpu", "tests/compositing/test_gpu.py", "-k", SANITIZED)
    return [
        run(
            f"sanitizer-{check}", [tool, "--tool", check, "--error-exitcode", "9", *tests], options,
            PYTORCH_NO_CUDA_MEMORY_CACHING="1",
        )
        for check in ("memcheck", "racecheck", "synccheck")
    ]  # fmt: skip


def benchmark_steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run each benchmark, as a program where it is one and else by pytest-benchmark."""
    folder = Path(__file__).parent
    paths = [p for pattern in options.benchmarks for p in sorted(folder.glob(pattern))]
    steps = []
    for path in dict.fromkeys(paths):
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8"):
            words = [sys.executable, str(path), "--out", str(options.out)]
        else:
            record = options.out / f"{path.stem.removeprefix('bench_')}.json"
            words = pytest_words(str(path), "-s", "-k", "cuda", f"--benchmark-json={record}")
        steps.append(run(path.stem, words, options))
    return steps


def verdict(code: int) -> str:
    """Say an exit code; pytest's 5 is "nothing collected", a file without a test for a GPU."""
    return {0: "ok", 5: "none", 124: "too long"}.get(code, f"exit {code}")


def main() -> int:
    """Run the chosen steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), metavar="GLOB")
    parser.add_argument("--limit", type=float, default=540, help="seconds a step may take")
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    steps: list[dict[str, Any]] = []
    if "tests" in options.steps:
        words = pytest_words("-m", "gpu", "-rs", "--continue-on-collection-errors", "tests")
        steps.append(run("tests", words, options))
    if "sanitizer" in options.steps:
        steps += sanitizer_steps(options)
    if "benchmarks" in options.steps:
        steps += benchmark_steps(options)
    record = {"benchmark": "run_gpu", **machine(), "steps": steps}
    path = write(options.out, "run_gpu", record)
    for step in steps:
        for line in step["said"]:
            print(f"  {step['step']}: {line[:160]}")
    device = record["device"]
    print(f"{device['name']}, driver {device.get('driver')}, commit {record['commit']}; {path}")
    for step in steps:
        counts = ", ".join(f"{n} {what}" for what, n in step.get("counts", {}).items())
        print(f"{step['step']:<28}{verdict(step['code']):<10}"
              f"{step['seconds']:>8} s  {counts}")  # fmt: skip
    return int(any(verdict(step["code"]) not in ("ok", "none") for step in steps))


if __name__ == "__main__":
    sys.exit(main())
