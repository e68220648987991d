"""The GPU benchmark's own code, run dry on the CPU, and its skip where there is no device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "bench_compositing_gpu.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_dry_run_measures_everything_and_the_peers_make_the_same_picture():
    ran = run("--dry-run")
    assert ran.returncode == 0, ran.stderr[-2000:]
    lines = ran.stdout.splitlines()
    assert sum(line.startswith(("numba ", "pillow ")) for line in lines) == 12
    for peer in ("torch, integer rule", "Pillow on the CPU"):
        rows = [line for line in lines if line.startswith(peer)]
        assert len(rows) == 2
        assert all(row.endswith("differs by at most 0") for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here: it would run in full")
def test_without_a_gpu_it_says_so(tmp_path):
    ran = run("--out", str(tmp_path))
    assert (ran.returncode, list(tmp_path.iterdir())) == (0, [])
    assert ran.stdout.startswith("skipped: torch ")
