"""Paths for this folder's own modules, and fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Test modules here import keras_layout and small_network, which are not a package's.
sys.path.insert(0, str(Path(__file__).parent))

from small_network import random_network  # noqa: E402

from evafast.depth.densedepth import DenseDepth  # noqa: E402


@pytest.fixture(scope="session")
def network() -> DenseDepth:
    return random_network()


@pytest.fixture()
def home(tmp_path, monkeypatch):
    """A cache folder of the test's own, and no proxy between it and the loopback server."""
    monkeypatch.setenv("EVAFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home" / "weights"
