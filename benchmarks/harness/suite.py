"""Suite: what a benchmark works with: inputs, sizes, a time budget, a terminal and the records."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import record
from benchmarks.harness.inputs import Inputs
from benchmarks.harness.race import Contender, Race
from benchmarks.harness.report import as_text

FULL_SECONDS, QUICK_SECONDS = 450.0, 50.0
"""What a session may take; the suites' budgets add up to less."""
QUICK_ROUNDS = 2
PROGRESS_SECONDS = 5


class Suite:
    """One benchmark of a session.

    Parameters
    ----------
    inputs : Inputs
    seconds : float
        Time budget, from now. No further round starts once it is used up.
    quick : bool
        Small sizes, two rounds.
    folder : Path or None
        Where records go; None: nowhere.
    say : callable
        Writes a line to the terminal at once.
    kept : list of dict
        Records of this session; `keep` appends to it.
    """

    def __init__(
        self, inputs: Inputs, *, seconds: float, quick: bool, folder: Path | None,
        say: Callable[[str], None], kept: list[record.Record],
    ) -> None:  # fmt: skip
        self.inputs, self.quick, self.say, self._kept = inputs, quick, say, kept
        self._folder, self._seconds = folder, seconds
        self._deadline = time.perf_counter() + seconds

    def size(self, full: int, quick: int) -> int:
        """Return the size that applies."""
        return quick if self.quick else full

    def race(
        self, title: str, contenders: list[Contender], rounds: int,
        skipped: dict[str, str] | None = None, *, repeat: bool = True,
    ) -> Race:  # fmt: skip
        """Say what is measured, measure it and return the race; see `Race.run`."""
        race = Race(title, contenders, skipped)
        rounds = min(rounds, QUICK_ROUNDS) if self.quick else rounds
        within = f", at most {self._seconds:.0f} s" if self._seconds < float("inf") else ""
        self.say(f"{title}: {rounds} rounds of {len(contenders)} contenders{within}")
        self.say("  " + "; ".join(race.contenders))
        start = said = time.perf_counter()

        def on_round(done: int) -> None:
            nonlocal said
            if (now := time.perf_counter()) - said > PROGRESS_SECONDS:
                self.say(f"  {done} rounds, {now - start:.0f} s")
                said = now

        repeat = repeat and not self.quick
        race.run(rounds, repeat=repeat, deadline=self._deadline, on_round=on_round)
        return race

    def keep(
        self, name: str, race: Race, *, unit: str, ratios: list[record.Record],
        parameters: dict[str, Any], facts: dict[str, Any] | None = None,
    ) -> record.Record:  # fmt: skip
        """Show the table of a race and write its record; return the record."""
        weak = {"weak": race.weak} if race.weak and not self.quick else {}
        made = record.new_record(
            name, title=race.title, unit=unit, rows=race.rows(), ratios=ratios,
            parameters=parameters, rounds=race.rounds, skipped=race.skipped,
            facts={**weak, **(facts or {})},
        )  # fmt: skip
        record.check(made)
        if self._folder is not None:
            record.write(made, self._folder)
        self._kept.append(made)
        self.say(as_text(made))
        return made
