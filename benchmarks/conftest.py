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

from benchmarks.harness import record
from benchmarks.harness.inputs import Inputs
from benchmarks.harness.suite import FULL_SECONDS, QUICK_SECONDS, Suite
from evafast.system.threads import limit_openmp_spinning

_kept: list[record.Record] = []
_DEADLINE = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("evafast benchmarks")
    group.addoption("--quick", action="store_true", help="small sizes, under a minute, no records")
    for name, text in (
        ("--records", "where records go (default: benchmarks/results; nowhere with --quick)"),
        ("--images", "folder with bg and fg (default: the built-in pack)"),
    ):
        group.addoption(name, type=Path, metavar="DIR", help=text)


def pytest_configure(config: pytest.Config) -> None:
    limit_openmp_spinning()  # as the commands do, before torch and numba are imported
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network otherwise
    seconds = QUICK_SECONDS if config.option.quick else FULL_SECONDS
    config.stash[_DEADLINE] = time.perf_counter() + seconds


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = [
        item for item in items
        if ("slow" in item.keywords and not config.option.markexpr)
        or ("long" in item.keywords and config.option.quick)
    ]  # fmt: skip
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_report_header(config: pytest.Config) -> str:
    quick = config.option.quick
    return "evafast benchmarks: " + (
        "quick, under a minute; sizes are small and figures mean little"
        if quick else "under 8 minutes; for a look under a minute: --quick"
    )  # fmt: skip


def writer(config: pytest.Config) -> Callable[[str], None]:
    """Return what writes a line to the terminal at once, although pytest captures output."""
    capture = config.pluginmanager.getplugin("capturemanager")
    terminal = config.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)
            terminal.flush()

    return say


@pytest.fixture(scope="session")
def inputs(pytestconfig: pytest.Config) -> Inputs:
    """Return the images of this session."""
    return Inputs.find(pytestconfig.option.images)


@pytest.fixture
def suite(request: pytest.FixtureRequest, inputs: Inputs) -> Suite:
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
    say = writer(request.config)
    say(f"preparing {request.node.nodeid}")
    folder = option.records or (None if option.quick else record.RESULTS)
    return Suite(inputs, seconds=seconds, quick=option.quick, folder=folder, say=say, kept=_kept)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for made in _kept:
        if weak := made["facts"].get("weak"):
            terminalreporter.write_line(f"weak figures: {made['name']}: {weak}")
