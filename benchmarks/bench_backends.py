"""Every backend on one batch, timed by pytest-benchmark: for comparing two commits.

    pytest benchmarks/bench_backends.py --benchmark-autosave
    pytest benchmarks/bench_backends.py --benchmark-compare

The records in results/ come from the other suites, whose contenders take turns.
"""

from __future__ import annotations

import pytest
import torch

from evafast import Compositor, Recipe
from evafast.compositing.backends import BACKENDS, load

BATCH = 256


@pytest.mark.parametrize("name", BACKENDS)
def test_backend(benchmark, inputs, name):
    kind = load(name)
    if (reason := kind.why_unavailable()) is not None:
        pytest.skip(reason)
    bank = inputs.bank
    compositor = Compositor(bank, backend=name, device=kind.device_type)
    recipe = Recipe.for_bank(bank)
    placements, out = recipe[recipe.order[:BATCH]], compositor.allocate(BATCH)

    def call():
        compositor(placements, out)
        if kind.device_type == "cuda":
            torch.cuda.synchronize()

    benchmark.extra_info["samples"] = BATCH
    benchmark.pedantic(call, rounds=20, warmup_rounds=2)
