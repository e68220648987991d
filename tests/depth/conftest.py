"""Fixtures of the depth tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_network import random_network

from evafast.depth.densedepth.network import DenseDepth


def pytest_collection_modifyitems(config, items):
    """Skip this folder's slow tests unless run with ``-m slow``."""
    if "slow" not in config.getoption("-m"):
        here = Path(__file__).parent
        for item in items:
            if item.get_closest_marker("slow") and here in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="slow: run with -m slow"))


@pytest.fixture(scope="session")
def network() -> DenseDepth:
    return random_network()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache folder for one test, and no proxy before the loopback server."""
    monkeypatch.setenv("EVAFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home" / "weights"
