"""Paths for this folder's own modules, and fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Test modules here import keras_layout and small_network, which are not a package's.
sys.path.insert(0, str(Path(__file__).parent))

from small_network import random_network

from evafast.depth.densedepth.network import DenseDepth


def pytest_collection_modifyitems(config, items):
    """Leave the slow ones of this folder for ``-m slow``."""
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
    """A cache folder of the test's own, and no proxy between it and the loopback server."""
    monkeypatch.setenv("EVAFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home" / "weights"
