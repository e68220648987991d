"""Race: contenders take turns, round after round, so that a busy machine is busy for all of them.

A ratio is taken within each round, between runs moments apart. The median of those ratios holds
where the machine's speed drifts; the ratio of two medians would not. Disturbed rounds are repeated
while time is left, and those are kept in which other processes used the least of the machine; the
choice never looks at what was measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.harness.machine import BUSY, Others
from benchmarks.harness.record import Record, ratio, spread

WIDE = 0.1
"""Spread (quartiles over median) above which a figure measured on a busy machine is weak."""
ROLES = ("ours", "peer", "baseline", "limit", "stage")


@dataclass
class Contender:
    """One way to do the work.

    Attributes
    ----------
    name : str
        As shown in tables.
    role : {'ours', 'peer', 'baseline', 'limit', 'stage'}
        *peer*: another library; *baseline*: how the original did it; *limit*: what the machine can
        do; *stage*: a part of ours, alone.
    call : callable
        Does the work of one round.
    work : float
        Work per round in the unit of the rates; slow contenders do less.
    equal : bool or None
        Whether the output equals ours byte for byte, checked in this run; None: does not apply.
    note : str
        What a reader needs to judge the row.
    setup : callable, optional
        Runs before each round, untimed.
    warm_up : bool
        Run once, untimed, before the first round.
    self_timed : bool
        `call` returns the seconds that the work took: in another process or on a device.
    facts : dict
        Single values of this contender, such as bytes per image.
    seconds : list of float
        Measured times, one per round.
    """

    name: str
    role: str
    call: Callable[[], Any]
    work: float
    equal: bool | None = None
    note: str = ""
    setup: Callable[[], Any] | None = None
    warm_up: bool = True
    self_timed: bool = False
    facts: dict[str, float | str | bool] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list, repr=False)

    def run(self) -> None:
        """Run one round and keep its time."""
        if self.setup is not None:
            self.setup()
        start = time.perf_counter()
        result = self.call()
        self.seconds.append(result if self.self_timed else time.perf_counter() - start)

    @property
    def rates(self) -> np.ndarray:
        """Work per second, one value per round."""
        return self.work / np.array(self.seconds)


class Race:
    """Runs contenders in turn.

    Parameters
    ----------
    title : str
        What is measured, one line.
    contenders : list of Contender
    skipped : dict of str to str, optional
        Contenders that cannot take part, and why.
    """

    def __init__(
        self, title: str, contenders: list[Contender], skipped: dict[str, str] | None = None
    ) -> None:
        self.title = title
        self.contenders = {c.name: c for c in contenders}
        self.skipped = skipped or {}
        assert len(self.contenders) == len(contenders), "two contenders with the same name"
        assert all(c.role in ROLES for c in contenders)
        self.rounds: Record = {}
        self.weak = ""

    def run(
        self, rounds: int, *, repeat: bool = True, deadline: float = float("inf"),
        on_round: Callable[[int], None] = lambda done: None,
    ) -> None:  # fmt: skip
        """Warm up once, then run all contenders `rounds` times.

        Parameters
        ----------
        rounds : int
            Rounds to keep.
        repeat : bool
            Run up to three times as many, until enough of them were quiet.
        deadline : float
            On `time.perf_counter`: no round starts, after the first, that would not end by then.
        on_round : callable
            Called with the number of rounds done.
        """
        contenders = list(self.contenders.values())
        for contender in contenders:
            if contender.warm_up:
                contender.run()
                contender.seconds.clear()
        others, shares, longest = Others(), [], 0.0
        most = 3 * rounds if repeat else rounds
        while not shares or (
            len(shares) < most
            and sum((share or 0.0) <= BUSY for share in shares) < rounds
            and time.perf_counter() + longest < deadline
        ):
            start = time.perf_counter()
            others.start()
            for i in range(len(contenders)):  # another one starts each round
                contenders[(i + len(shares)) % len(contenders)].run()
            shares.append(others.share())
            longest = max(longest, time.perf_counter() - start)
            on_round(len(shares))
        self._keep(rounds, shares)

    def _keep(self, rounds: int, shares: list[float | None]) -> None:
        """Keep the quietest rounds, in the order in which they were run."""
        kept = sorted(sorted(range(len(shares)), key=lambda i: shares[i] or 0.0)[:rounds])
        for contender in self.contenders.values():
            contender.seconds = [contender.seconds[i] for i in kept]
        known = [share for i in kept if (share := shares[i]) is not None]
        took = float(np.median(known)) if known else None
        self.rounds = {"run": len(shares), "kept": len(kept), "others_took": took}
        first, busy = spread(next(iter(self.contenders.values())).rates), (took or 0.0) > BUSY
        wide = (first["q3"] - first["q1"]) / first["median"]
        if len(kept) < rounds or (busy and wide > WIDE):
            self.weak = (
                f"{'busy' if busy else 'slow'} machine: {len(kept)} of {rounds} rounds, spread "
                f"{100 * wide:.0f} %"
            )

    def rows(self) -> list[Record]:
        """Return the contenders as rows of a record."""
        return [
            {
                "name": c.name, "role": c.role, "work": c.work, "rate": spread(c.rates),
                "equal": c.equal, **({"note": c.note} if c.note else {}),
                **({"facts": c.facts} if c.facts else {}),
            }
            for c in self.contenders.values()
        ]  # fmt: skip

    def ratio(self, of: str, to: str, aim: float | None = None) -> Record:
        """Return the ratio of two contenders' rates, round by round."""
        return ratio(of, to, self.contenders[of].rates / self.contenders[to].rates, aim)

    def fastest(self, names: list[str]) -> str:
        """Return the fastest of these contenders."""
        return max(names, key=lambda name: float(np.median(self.contenders[name].rates)))
