"""100,000 samples in one go: the rate that lasts, its share of what the stages allow, the memory.

    pytest benchmarks/bench_sustained.py -m slow

Aims (issue 5): at least 6,000 samples a second with JPEG, matte PNG and no depth on two cores,
under 1.5 GB whatever the count, and at least 0.8 of what the stages' rates allow. Each round runs
the whole command in a fresh process, between measurements of the stages. The share of what the
libraries' calls alone would allow is in the record too: it shows what evafast itself costs.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks.bench_generate import from_folders, one_run
from benchmarks.inputs import described
from benchmarks.race import Contender, Race, ratio
from benchmarks.stages import ENCODE, allowed, allowed_by_libraries, encoder_pool, stages
from evafast.dataset.codec import Codec

SAMPLES = 100_000
WHOLE, GENERATING = "the whole command", "generating alone"
LIBRARIES = "what the libraries alone allow"


@pytest.mark.slow
def test_sustained(benchmark, bank, pictures, scale, tmp_path, keep):
    samples, said = scale(SAMPLES, 2000), []
    out = tmp_path / "out"

    def command():
        arguments = ["--depth", "none", "--limit", str(samples), "--quiet"]
        said.append(one_run(*arguments, *from_folders(pictures), folder=out))

    run = Contender(
        WHOLE, "ours", command, samples, warm=False,
        note="a fresh process: imports, loading and preprocessing the pictures, all of it",
        before=lambda: shutil.rmtree(out, ignore_errors=True),
    )  # fmt: skip
    with encoder_pool() as pool:
        race = Race([run, *stages(bank, Codec(), tmp_path, scale(8192, 256), pool)])
        race.run(benchmark, 5)
    generating = Contender(
        GENERATING, "ours", command, samples, note="without start-up and loading",
        seconds=[s["generating_seconds"] for s in said],
    )  # fmt: skip
    rows = race.rows()
    rows.insert(1, Race([generating]).rows()[0])
    limit = allowed(race)
    rate = float(np.median(generating.rates))
    with_start = float(np.median(race.contenders[WHOLE].rates))
    peak = max(s["peak_memory_bytes"] for s in said)
    keep(
        "sustained", title="100,000 samples in one go: JPEG and matte PNG at 224 px, webdataset",
        unit="samples/s", rows=rows, rounds=race.rounds,
        ratios=[
            ratio(GENERATING, "what the stages allow", generating.rates / limit, aim=0.8),
            ratio(GENERATING, LIBRARIES, generating.rates / allowed_by_libraries(race), aim=0.8),
            ratio(GENERATING, ENCODE, generating.rates / race.contenders[ENCODE].rates),
        ],
        parameters={**described(pictures), "samples": samples, "quality": 90, "depth": "none"},
        facts={
            "allowed_by_stages": float(np.median(limit)),
            "peak_memory_bytes": peak,
            "aim_of_rate": f"6,000 samples/s: {'met' if rate >= 6000 else '**missed**'}",
            "aim_of_rate_with_start_up": (
                f"6,000 samples/s: {'met' if with_start >= 6000 else '**missed**'}"
            ),
            "aim_of_memory": f"1.5 GB: {'met' if peak < 1.5e9 else '**missed**'}",
            "busy": said[-1]["busy"],
        },
    )  # fmt: skip
