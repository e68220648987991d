"""A small record to work with."""

from __future__ import annotations

import pytest


@pytest.fixture
def small_record():
    """A record with made-up times: ours does 200, the other 50 per second."""
    from benchmarks.harness.race import Contender, Race
    from benchmarks.harness.record import new_record

    race = Race("A made-up race", [
        Contender("ours", "ours", lambda: None, 100, True, seconds=[0.5, 0.5, 0.25]),
        Contender("other", "peer", lambda: None, 10, False, "slow", seconds=[0.2, 0.2, 0.1]),
    ])  # fmt: skip
    return new_record(
        "made-up", title=race.title, unit="samples/s", rows=race.rows(),
        ratios=[race.ratio("ours", "other", aim=5.0)], parameters={"pictures": "none"},
        skipped={"third": "not installed: third"}, facts={"peak_memory_bytes": 640_000_000},
    )  # fmt: skip
