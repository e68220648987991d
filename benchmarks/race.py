"""Race: contenders take turns, round after round, so that a busy machine is busy for all of them.

Where other processes disturb, more rounds are run, up to three times as many, and those are kept in
which others took the least of the machine; the record says how many and how much.

A ratio is taken inside each round, between runs that lie a moment apart; the median of those
ratios stays true where the machine's speed drifts, which the ratio of two medians would not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.others import QUIET, Others
from benchmarks.record import spread

ROLES = ("ours", "peer", "baseline", "limit", "stage")


@dataclass
class Contender:
    """One way to do the work.

    Attributes
    ----------
    name : str
        As the table shows it.
    role : {'ours', 'peer', 'baseline', 'limit', 'stage'}
        *peer*: another library; *baseline*: the original's own way; *limit*: what the machine can
        do; *stage*: a part of ours, alone.
    call : callable
        Does the work of a round.
    work : float
        How much that is, in the unit of the record's rates; slow contenders do less a round.
    equal : bool or None
        Whether its output equals ours, as checked in this run; None where that means nothing.
    note : str
        What a reader must know to judge the row.
    before : callable, optional
        Clears the way for a round; not timed.
    warm : bool
        Run once untimed before the first round; False for what takes long and needs none.
    facts : dict
        Single values of this contender, such as bytes an image.
    tells : bool
        `call` runs a process of its own and returns the seconds that the work took there.
    """

    name: str
    role: str
    call: Callable[[], Any]
    work: float
    equal: bool | None = None
    note: str = ""
    before: Callable[[], Any] | None = None
    warm: bool = True
    facts: dict[str, float | str | bool] = field(default_factory=dict)
    tells: bool = False
    seconds: list[float] = field(default_factory=list, repr=False)

    def run(self) -> None:
        """Do one round's work and keep its time."""
        if self.before is not None:
            self.before()
        self.timed()

    def timed(self) -> None:
        """Do the work, with nothing before it, and keep its time."""
        start = time.perf_counter()
        told = self.call()
        self.seconds.append(told if self.tells else time.perf_counter() - start)

    @property
    def rates(self) -> np.ndarray:
        """Work a second, a value a round."""
        return self.work / np.array(self.seconds)


class Race:
    """Runs contenders in turn; the first one is also timed by pytest-benchmark.

    Parameters
    ----------
    contenders : list of Contender
        Their names differ.
    """

    def __init__(self, contenders: list[Contender]) -> None:
        self.contenders = {c.name: c for c in contenders}
        assert len(self.contenders) == len(contenders), "two contenders of one name"
        assert all(c.role in ROLES for c in contenders)
        self.rounds: dict[str, int | float | None] = {}

    def run(self, benchmark: Any, rounds: int, *, patience: int = 3) -> None:
        """Warm up once, then run all contenders `rounds` times, or more where others disturb.

        Parameters
        ----------
        benchmark : pytest_benchmark.fixture.BenchmarkFixture or None
            Times the first contender too, for pytest-benchmark's own table and comparisons.
        rounds : int
            Rounds to keep.
        patience : int
            Up to so many times as many rounds are run until enough of them were quiet; of three
            rounds or fewer, a quick look or very long ones, none is run again.
        """
        first, *others = self.contenders.values()
        for contender in (first, *others):
            if contender.warm:
                contender.run()
                contender.seconds.clear()
        turn, others_took = 0, Others()
        shares: list[float | None] = []
        most = rounds if rounds <= 3 else patience * rounds

        def prepare() -> None:
            nonlocal turn
            others_took.start()
            for i in range(len(others)):  # a new one goes first every round
                others[(i + turn) % len(others)].run()
            turn += 1
            if first.before is not None:
                first.before()

        def timed() -> None:
            first.timed()
            shares.append(others_took.share())

        if benchmark is not None:
            benchmark.pedantic(timed, setup=prepare, rounds=rounds)
        while len(shares) < most and _quiet(shares) < rounds:
            prepare()
            timed()
        self._keep(rounds, shares)

    def _keep(self, rounds: int, shares: list[float | None]) -> None:
        """Keep the rounds in which others took the least, in the order in which they were run."""
        kept = sorted(sorted(range(len(shares)), key=lambda i: shares[i] or 0.0)[:rounds])
        for contender in self.contenders.values():
            contender.seconds = [contender.seconds[i] for i in kept]
        known = [share for i in kept if (share := shares[i]) is not None]
        self.rounds = {
            "run": len(shares), "kept": len(kept),
            "others_took": float(np.median(known)) if known else None,
        }  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """Return the contenders as rows of a record."""
        return [
            {
                "name": c.name, "role": c.role, "work": c.work, "rate": spread(c.rates),
                "equal": c.equal, **({"note": c.note} if c.note else {}),
                **({"facts": c.facts} if c.facts else {}),
            }
            for c in self.contenders.values()
        ]  # fmt: skip

    def ratio(self, of: str, to: str, aim: float | None = None) -> dict[str, Any]:
        """Return one contender's rate over another's, by round; with `aim`, whether it is met."""
        values = self.contenders[of].rates / self.contenders[to].rates
        return ratio(of, to, values, aim)

    def best(self, role: str) -> str | None:
        """Return the fastest contender of a role."""
        names = [c.name for c in self.contenders.values() if c.role == role]
        return max(names, key=lambda n: float(np.median(self.contenders[n].rates)), default=None)


def _quiet(shares: list[float | None]) -> int:
    """Count the quiet rounds; where the system does not tell, every round is."""
    return sum(share is None or share <= QUIET for share in shares)


def ratio(of: str, to: str, values: Any, aim: float | None = None) -> dict[str, Any]:
    """Return a record's ratio of values taken round by round."""
    found: dict[str, Any] = {"of": of, "to": to, **spread(values)}
    if aim is not None:
        found |= {"aim": aim, "met": found["median"] >= aim}
    return found
