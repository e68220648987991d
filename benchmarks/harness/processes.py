"""Programs in a process of their own, which print what they measured as a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import ROOT


def in_process(program: str, *arguments: str, tree: Path = ROOT) -> dict[str, Any]:
    """Run a program of the harness and return what it prints.

    Parameters
    ----------
    program : str
        ``one_run`` or ``one_network``.
    arguments : str
    tree : Path
        The checkout whose evafast it runs.
    """
    path = Path(__file__).with_name(f"{program}.py")
    # conftest.py sets this for its own process.
    environment = {name: v for name, v in os.environ.items() if name != "OMP_WAIT_POLICY"}
    ran = subprocess.run(
        [sys.executable, str(path), *arguments], cwd=tree, capture_output=True, text=True,
        check=False, env={**environment, "PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])
