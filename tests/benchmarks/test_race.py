"""Races: turns, what is timed, the time budget, and what a busy machine does to a figure."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.harness.machine import Others
from benchmarks.harness.race import Contender, Race


def racing(*contenders):
    return Race("a race", list(contenders))


def test_ratios_are_taken_round_by_round(small_record):
    ours, other = small_record["rows"]
    assert (ours["rate"]["median"], ours["rate"]["rounds"]) == (200, 3)
    assert other["rate"]["median"] == 50
    (ratio,) = small_record["ratios"]
    assert (ratio["median"], ratio["q1"], ratio["q3"]) == (4, 4, 4)  # of rates: 200/50, 400/100
    assert (ratio["aim"], ratio["met"]) == (5, False)


def test_contenders_warm_up_once_and_take_turns():
    order = []
    race = racing(*(
        Contender(name, role, lambda name=name: order.append(name), 1, warm_up=name != "b")
        for name, role in (("a", "ours"), ("b", "peer"), ("c", "limit"))
    ))  # fmt: skip
    race.run(3, repeat=False)
    assert "".join(order) == "ac" + "abc" + "bca" + "cab"
    assert all(len(c.seconds) == 3 for c in race.contenders.values())


def test_setup_is_not_timed_and_self_timed_contenders_say_their_time():
    slow = Contender("a", "ours", lambda: None, 1, setup=lambda: time.sleep(0.05))
    own = Contender("b", "ours", lambda: 0.25, 1, self_timed=True)
    racing(slow, own).run(2, repeat=False)
    assert max(slow.seconds) < 0.04
    assert own.seconds == [0.25, 0.25]


def test_disturbed_rounds_are_repeated_and_the_quietest_kept(monkeypatch):
    shares = iter([0.9, 0.05, 0.5, 0.02, 0.01, 0.03, 0.0])
    monkeypatch.setattr("benchmarks.harness.race.Others.share", lambda self: next(shares))
    race = racing(Contender("a", "ours", iter(range(1, 9)).__next__, 1, self_timed=True))
    race.run(4)
    assert race.rounds == {"run": 6, "kept": 4, "others_took": 0.025}
    assert race.contenders["a"].seconds == [3, 5, 6, 7]  # 1 was the warm-up
    assert race.weak == ""


def test_no_round_starts_that_would_miss_the_deadline():
    race = racing(Contender("a", "ours", lambda: time.sleep(0.04), 1))
    race.run(50, deadline=time.perf_counter() + 0.2)
    assert 1 <= race.rounds["run"] <= 4
    assert f"machine: {race.rounds['kept']} of 50 rounds, spread" in race.weak


def test_a_busy_machine_weakens_a_figure(monkeypatch):
    monkeypatch.setattr("benchmarks.harness.race.Others.share", lambda self: 0.6)
    steady = racing(Contender("a", "ours", lambda: 1.0, 1, self_timed=True))
    steady.run(2)
    assert steady.rounds == {"run": 6, "kept": 2, "others_took": 0.6}
    assert steady.weak == ""
    shaky = racing(Contender("a", "ours", iter([1, 1, 2] * 9).__next__, 1, self_timed=True))
    shaky.run(3)
    assert shaky.weak == "busy machine: 3 of 3 rounds, spread 25 %"


def test_other_processes_are_seen():
    others = Others()
    others.start()
    busy = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    with subprocess.Popen([sys.executable, "-c", busy]) as other:
        time.sleep(0.4)
        share = others.share()
        other.kill()
    if share is None:
        pytest.skip("no /proc/stat")
    assert 0.1 / 64 < share <= 1
