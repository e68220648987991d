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
from pathlib import Path

from benchmarks.harness.one_run import in_process
from benchmarks.harness.race import Contender, Race
from benchmarks.harness.record import new_record, write
from benchmarks.harness.report import as_text

ROUNDS = 5


def contender(label: str, tree: Path, options: list[str]) -> Contender:
    """Return whole runs of a checkout, timed without start-up and loading."""
    made = Contender(label, "ours", lambda: 0.0, 1, warm_up=False, self_timed=True)

    def call() -> float:
        with tempfile.TemporaryDirectory() as out:
            run = in_process("--out", f"{out}/set", *options, tree=tree)
        made.work, made.facts["peak_memory_bytes"] = run["samples"], run["peak_memory_bytes"]
        return run["generating_seconds"]

    made.call = call
    return made


def main(name: str, *given: str) -> int:
    """Run, write the record and return 0."""
    at = given.index("--")
    trees = dict(word.split("=", 1) for word in given[:at])
    options, rows, ratios, title = list(given[at + 1 :]), [], [], f"A/B of {', '.join(trees)}"
    for state, beside in (("idle", "pass"), ("busy", "while True: pass")):
        race = Race(title, [
            contender(f"{label}, {state}", Path(tree).resolve(), options)
            for label, tree in trees.items()
        ])  # fmt: skip
        with subprocess.Popen([sys.executable, "-c", beside]) as process:
            try:
                race.run(ROUNDS, repeat=False)
            finally:
                process.kill()
        rows += race.rows()
        first, *others = race.contenders
        ratios += [race.ratio(other, first) for other in others]
    record = new_record(f"ab-{name}", title=title, unit="samples/s", rows=rows, ratios=ratios,
                        parameters={"options": " ".join(options)})  # fmt: skip
    write(record)
    print(as_text(record))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
