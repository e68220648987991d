"""A whole run in a process of its own: peak memory and start-up belong to a process.

    python benchmarks/harness/one_run.py --out DIR [options of evafast.generate]

Prints what was measured as a line of JSON. As a program it imports evafast alone, so ``PYTHONPATH``
chooses which version runs.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def in_process(*arguments: str, tree: Path = ROOT) -> dict[str, Any]:
    """Return what a run with these arguments measures; `tree` is the checkout that runs."""
    ran = subprocess.run(
        [sys.executable, __file__, "--quiet", *arguments], cwd=tree, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def peak_memory() -> int:
    """Return this program's peak resident memory in bytes.

    On Linux, `resource` starts from the peak of the process that forked this one; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(arguments: list[str]) -> int:
    """Run; return 0."""
    start = time.perf_counter()
    from evafast.system.threads import limit_openmp_spinning

    limit_openmp_spinning()
    from evafast.generate import config_from
    from evafast.writing import generate

    result = generate(config_from(arguments))
    measured = {
        "samples": result.samples, "seconds": time.perf_counter() - start,
        "generating_seconds": result.seconds, "loading_seconds": result.loading_seconds,
        "busy": result.shares, "peak_memory_bytes": peak_memory(),
    }  # fmt: skip
    print(json.dumps(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
