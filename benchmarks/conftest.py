"""Options and fixtures of the suites; records are written as tests end.

pytest benchmarks/                      everything that takes seconds, under ten minutes
pytest benchmarks/ --quick              the same with small numbers, under one minute; no record
pytest benchmarks/ -m slow              100,000 samples sustained
python -m benchmarks.report             tables and chart from the records
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before numba, torch and OpenCV start their threads: idle ones must not spin beside the others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network otherwise

from benchmarks import inputs, record, report
from benchmarks.race import Race

_written: list[dict[str, Any]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("evafast benchmarks")
    group.addoption("--quick", action="store_true", help="small numbers, under a minute, no record")
    group.addoption("--records", type=Path, metavar="DIR",
                    help="where records go (default: benchmarks/results, nowhere with --quick)")
    group.addoption("--pictures", type=Path, metavar="DIR",
                    help="folder with bg and fg (default: photographs where there, else built-in)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen, left = [], []
    for item in items:
        slow = "slow" in item.keywords and not config.getoption("-m")
        # DenseDepth-169 keeps a CPU busy for a minute and more.
        whole = "bench_depth" in item.nodeid or "long" in item.keywords
        (left if slow or (config.getoption("--quick") and whole) else chosen).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = chosen


class Scale:
    """Numbers in full or, with --quick, small."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick

    def __call__(self, full: int, quick: int) -> int:
        """Return the number that applies."""
        return quick if self.quick else full


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> Scale:
    """Numbers in full, or small with --quick."""
    return Scale(pytestconfig.getoption("--quick"))


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config) -> inputs.Pictures:
    """Return the pictures of this session."""
    return inputs.pictures(pytestconfig.getoption("--pictures"))


@pytest.fixture(scope="session")
def bank(pictures: inputs.Pictures):  # type: ignore[no-untyped-def]
    """Return the pictures' bank at 224 px."""
    return inputs.load(pictures)


@pytest.fixture
def keep(pytestconfig: pytest.Config) -> Callable[..., dict[str, Any]]:
    """Write a record: ``keep(name, title=..., unit=..., parameters=..., rows=..., ratios=...)``."""

    def write(name: str, **values: Any) -> dict[str, Any]:
        made = record.new_record(name, **values)
        folder = pytestconfig.getoption("--records")
        if folder is None and not pytestconfig.getoption("--quick"):
            folder = record.RESULTS
        if folder is not None:
            record.write(made, folder)
        elif faults := record.faults_of(made):
            raise ValueError("; ".join(faults))
        _written.append(made)
        return made

    return write


@pytest.fixture
def keep_race(keep: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Write a record of a race: ``keep_race(name, race, ratios=[...], ...)``."""

    def write(name: str, race: Race, **values: Any) -> dict[str, Any]:
        return keep(name, rows=race.rows(), rounds=race.rounds, **values)

    return write


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what bench_depth.py measured, too: it reports through pytest-benchmark alone."""
    config = session.config
    folder = config.getoption("--records") or record.RESULTS
    run = getattr(config, "_benchmarksession", None)
    depth = [b for b in (run.benchmarks if run else []) if "images_per_second" in b.extra_info]
    if depth and not config.getoption("--quick"):
        made = report.depth_record(depth)
        record.write(made, folder)
        _written.append(made)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _written:
        terminalreporter.section("evafast benchmarks")
        for made in _written:
            terminalreporter.write_line(report.as_text(made))
