"""One run of ``evafast.generate`` in a process of its own, which says its time and peak memory.

    python -m benchmarks.one_run --out DIR [arguments of evafast.generate]

Prints one line of JSON: seconds from the first import to the end, seconds of generating alone, peak
resident memory and how busy each stage was.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any


def peak_memory() -> int:
    """Return the most resident memory that this program has had, in bytes.

    Linux also keeps a number that `resource` reads, but that one begins at the peak of the process
    that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def main(arguments: list[str]) -> int:
    """Run; return 0."""
    start = time.perf_counter()
    import evafast.generate as command
    from evafast.system.timing import StageClock

    clocks: list[StageClock] = []

    class KeptClock(StageClock):
        """A clock that stays readable after the run; it starts when generating starts."""

        def __init__(self) -> None:
            super().__init__()
            clocks.append(self)

    # Type checkers need not see it: the command's own clock is what is expected, kept at hand.
    vars(command)["StageClock"] = KeptClock
    config = command.parse(arguments)
    command.choose_waiting(config)
    manifest: dict[str, Any] = command.generate(config)
    end = time.perf_counter()
    clock = clocks[0]
    print(json.dumps({
        "samples": manifest["samples"],
        "seconds": end - start,
        "generating_seconds": clock.elapsed,
        "peak_memory_bytes": peak_memory(),
        "busy": clock.shares(),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
