"""Options of the benchmarks, their time budgets and what they write to the terminal; see README.md.

A full session ends within 8 minutes and a quick one within one: each suite has a budget, and a
suite that would start after the session's time is up is skipped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before numba, torch and OpenCV start their threads: idle ones must not spin beside the others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network otherwise

from benchmarks.harness import record
from benchmarks.harness.inputs import Inputs
from benchmarks.harness.suite import FULL_SECONDS, QUICK_SECONDS, Suite

_kept: list[record.Record] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("evafast benchmarks")
    group.addoption("--quick", action="store_true", help="small sizes, under a minute, no records")
    group.addoption("--records", type=Path, metavar="DIR",
                    help="where records go (default: benchmarks/results; nowhere with --quick)")
    group.addoption("--images", type=Path, metavar="DIR",
                    help="folder with bg and fg (default: the built-in pack)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = [
        item for item in items
        if ("slow" in item.keywords and not config.option.markexpr)
        or ("long" in item.keywords and config.option.quick)
    ]  # fmt: skip
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_sessionstart(session: pytest.Session) -> None:
    seconds = QUICK_SECONDS if session.config.option.quick else FULL_SECONDS
    session.config.stash[_DEADLINE] = time.perf_counter() + seconds


_DEADLINE = pytest.StashKey[float]()


def pytest_report_header(config: pytest.Config) -> str:
    quick = config.option.quick
    return "evafast benchmarks: " + (
        "quick, under a minute; sizes are small and figures mean little"
        if quick else "under 8 minutes; for a look under a minute: --quick"
    )  # fmt: skip


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Write a line to the terminal at once, although pytest captures output."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)
            terminal.flush()

    return write


@pytest.fixture(scope="session")
def inputs(pytestconfig: pytest.Config) -> Inputs:
    """Return the images of this session."""
    return Inputs.find(pytestconfig.option.images)


@pytest.fixture
def suite(request: pytest.FixtureRequest, inputs: Inputs, say: Callable[[str], None]) -> Suite:
    """Return what a benchmark works with; its budget runs from here."""
    option = request.config.option
    mark = request.node.get_closest_marker("budget")
    seconds = mark.args[0] if mark else float("inf")
    if mark:
        left = request.config.stash[_DEADLINE] - time.perf_counter()
        if left <= 0:
            pytest.skip(f"no time left: run pytest benchmarks/{request.node.path.name}")
        seconds = min(left, seconds * (QUICK_SECONDS / FULL_SECONDS if option.quick else 1))
    if request.node.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip(f"no CUDA device: torch {torch.__version__} sees none")
    say(f"preparing {request.node.nodeid}")
    folder = option.records or (None if option.quick else record.RESULTS)
    return Suite(
        inputs, seconds=seconds, quick=option.quick, folder=folder, say=say, kept=_kept
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for made in _kept:
        if weak := made["facts"].get("weak"):
            terminalreporter.write_line(f"weak figures: {made['name']}: {weak}")
