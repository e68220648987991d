"""A/B: whole runs of several checkouts, interleaved, on an idle and on a busy machine.

    git worktree add ../without                   # and take the mechanism out there
    python -m benchmarks.harness.ab NAME base=. without=../without -- --depth none --limit 40000

A mechanism that is there for speed alone stays if taking it out costs 5 % or more on both. The
record is ``ab-NAME``; *busy* is one spinning process beside the runs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.processes import in_process
from benchmarks.harness.race import Contender, Race
from benchmarks.harness.record import new_record, write
from benchmarks.harness.report import as_text

ROUNDS = 5


def contender(label: str, tree: Path, options: list[str]) -> Contender:
    """Return whole runs of a checkout; their time is without start-up and loading."""
    made = Contender(label, "ours", lambda: 0.0, 1, warm_up=False, self_timed=True)

    def call() -> float:
        with tempfile.TemporaryDirectory() as out:
            run = in_process("one_run", "--out", f"{out}/set", "--quiet", *options, tree=tree)
        made.work = run["samples"]
        peak = max(run["peak_memory_bytes"], float(made.facts.get("peak_memory_bytes", 0)))
        made.facts["peak_memory_bytes"] = peak
        return run["generating_seconds"]

    made.call = call
    return made


def main(arguments: list[str]) -> int:
    """Run; return 0."""
    name, *given = arguments
    at = given.index("--") if "--" in given else len(given)
    trees = dict(word.split("=", 1) for word in given[:at])
    options, rows, ratios = given[at + 1 :], [], []
    for state in ("idle", "busy"):
        race = Race(f"A/B of {', '.join(trees)}", [
            contender(f"{label}, {state}", Path(tree).resolve(), options)
            for label, tree in trees.items()
        ])  # fmt: skip
        with ExitStack() as stack:
            if state == "busy":
                words = [sys.executable, "-c", "while True: pass"]
                spinning = stack.enter_context(subprocess.Popen(words))
                stack.callback(spinning.kill)
            race.run(ROUNDS, repeat=False)
        rows += race.rows()
        first, *others = race.contenders
        ratios += [race.ratio(other, first) for other in others]
    record = new_record(f"ab-{name}", title=race.title, unit="samples/s", rows=rows, ratios=ratios,
                        parameters={"options": " ".join(options)})  # fmt: skip
    write(record)
    print(as_text(record))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
