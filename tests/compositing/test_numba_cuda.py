"""The Numba CUDA kernel in Numba's simulator, against Pillow byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("simulator_worker.py")


def test_equals_pillow_in_the_simulator():
    ran = subprocess.run(
        [sys.executable, str(WORKER)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert "cases equal" in ran.stdout
