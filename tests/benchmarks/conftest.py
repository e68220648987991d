"""Makes ``benchmarks`` importable, and a small record to play with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@pytest.fixture
def small_record():
    """Return a record of a race over a made-up clock: ours does 200, the other 50 a second."""
    from benchmarks.race import Contender, Race
    from benchmarks.record import new_record

    race = Race([
        Contender("ours", "ours", lambda: None, 100, True, seconds=[0.5, 0.5, 0.25]),
        Contender("other", "peer", lambda: None, 10, False, "slow", seconds=[0.2, 0.2, 0.1]),
    ])  # fmt: skip
    return new_record(
        "made-up", title="A made-up race", unit="samples/s", rows=race.rows(),
        ratios=[race.ratio("ours", "other", aim=5.0)], parameters={"pictures": "none"},
        skipped={"third": "not installed: third"}, facts={"peak_memory_bytes": 640_000_000},
    )  # fmt: skip
