"""over.cu, compiled by g++ and run lane by lane on the CPU, against Pillow byte for byte.

host_shim.h provides the few CUDA names that the kernel uses. AddressSanitizer and
UndefinedBehaviorSanitizer make accesses outside a buffer fatal.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from host import COMPILER, build

from evafast.compositing.backends.cupy_cuda import SOURCE

WORKER = Path(__file__).with_name("host_worker.py")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not installed")


def run_worker(library, **environment):
    return subprocess.run(
        [sys.executable, str(WORKER), str(library)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_equals_pillow_at_every_alignment(tmp_path):
    # The run-time library must be loaded before Python's own memory.
    sanitizer = subprocess.run(
        [COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(sanitizer).is_absolute():
        pytest.skip("g++ has no AddressSanitizer library")
    flags = "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"
    build(tmp_path / "over.so", *flags)
    ran = run_worker(tmp_path / "over.so", LD_PRELOAD=sanitizer, ASAN_OPTIONS="detect_leaks=0")
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert "launches equal" in ran.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weights, 128u)", "weights, 127u)"),  # the rounding
        ("* 257u", "* 256u"),  # the division by 255
        ("0xFF00u - 255u", "0xFF00u - 254u"),  # the weights
        (">> 7) & 0x01010101u", ">> 6) & 0x01010101u"),  # the binary threshold
        ("Word(fg.width) ? rgba : 0u", "Word(fg.width) ? rgba : rgba"),  # beside the foreground
        ("__syncwarp();\n            if (touched)", "if (touched)"),  # a barrier
    ],
)
def test_a_wrong_kernel_is_found(old, new, tmp_path):
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count(old) == 1
    mutant = tmp_path / SOURCE.name
    mutant.write_text(text.replace(old, new), encoding="utf-8")
    build(tmp_path / "over.so", source=mutant)
    ran = run_worker(tmp_path / "over.so")
    assert ran.returncode == 1
    assert "differs at" in ran.stderr
