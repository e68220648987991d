"""Whole runs: without depth, with depth, and 100,000 samples in one go.

Runs start with images and network loaded; flushing to disk is part of their time. They are held
against the original's way and against what their stages, or the network alone, allow. Sustained
runs are the whole command in a fresh process. Aims (issue 5): 0.8 of the stages, 0.8 of the network
alone; sustained 6,000 samples/s on two cores in less than 1.5 GB.
"""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
import pytest

from benchmarks.harness.machine import CORES
from benchmarks.harness.one_run import in_process
from benchmarks.harness.race import Contender
from benchmarks.harness.record import ratio
from benchmarks.harness.stages import (
    ENCODE,
    LIBRARIES_ALLOW,
    STAGES_ALLOW,
    allowed,
    allowed_by_libraries,
    stages,
)
from benchmarks.peers.original import Original
from evafast.writing import GenerateConfig, generate

ORIGINAL = "the original's way"
BUILT_IN, STANDARD = "built-in depth", "DenseDepth"
ALONE = "{}: the network alone"
BATCH = 16
HOW_ORIGINAL = "Pillow paste, JPEG by Pillow (the mask too), zip, 1 thread"
SETTINGS = {"quality": 90, "depth": "none"}


@pytest.mark.budget(60)
def test_without_depth(suite, tmp_path):
    bank, first = suite.inputs.bank, "evafast webdataset"
    counts = {"webdataset": suite.size(12_000, 250), "folder": suite.size(4000, 250),
              "zip": suite.size(8000, 250)}  # fmt: skip

    def run(layout, samples):
        out = tmp_path / layout
        config = GenerateConfig(out=str(out), layout=layout, depth="none", limit=samples)
        return Contender(
            f"evafast {layout}", "ours", lambda: generate(config, bank=bank), samples,
            setup=partial(shutil.rmtree, out, ignore_errors=True), warm_up=layout == "webdataset",
        )  # fmt: skip

    some = suite.inputs.samples(suite.size(1000, 50))
    alone = in_process(  # its memory is its own only in a process of its own
        "--out", str(tmp_path / "alone"), "--depth", "none", "--limit",
        str(counts["webdataset"]), *suite.inputs.arguments,
    )  # fmt: skip
    runs = [run(layout, samples) for layout, samples in counts.items()]
    race = suite.race("Whole runs without depth: JPEG and matte PNG at 224 px", [
        *runs,
        Contender(ORIGINAL, "baseline", Original(bank, some, tmp_path).run, len(some),
                  note=HOW_ORIGINAL),
        *stages(bank, tmp_path, suite.size(2048, 256)),
    ], 5)  # fmt: skip
    suite.keep(
        "generate", race, unit="samples/s",
        parameters={**suite.inputs.described, "samples": counts, **SETTINGS},
        ratios=[
            race.ratio(first, ORIGINAL), *shares(race, first), race.ratio(first, ENCODE),
            *(race.ratio(run.name, first) for run in runs[1:]),
        ],
        facts={
            "allowed_by_stages": float(np.median(allowed(race))),
            **{name: alone[name] for name in ("loading_seconds", "peak_memory_bytes", "busy")},
        },
    )  # fmt: skip


def shares(race, name):
    """Return the ratios of a run to what its stages and its libraries allow."""
    rates = race.contenders[name].rates
    return [
        ratio(name, STAGES_ALLOW, rates / allowed(race), aim=0.8),
        ratio(name, LIBRARIES_ALLOW, rates / allowed_by_libraries(race), aim=0.8),
    ]


@pytest.mark.long
@pytest.mark.budget(90)
def test_with_depth(suite, tmp_path):
    from evafast import Compositor, DepthEstimator
    from evafast.depth.densedepth.network import DenseDepth
    from evafast.depth.densedepth.weights import save_safetensors

    bank, weights = suite.inputs.bank, tmp_path / "densenet169.safetensors"
    save_safetensors(DenseDepth().eval(), weights)  # random: speed does not depend on them
    counts, contenders, ratios = {BUILT_IN: 1200, STANDARD: 144}, [], []
    images = Compositor(bank, backend="numba", device="cpu")(suite.inputs.samples(480)).image

    def run(name, depth):
        out = tmp_path / name
        config = GenerateConfig(out=str(out), depth=depth, limit=counts[name])
        return Contender(
            f"evafast webdataset, {name}", "ours", lambda: generate(config, bank=bank).seconds,
            counts[name], self_timed=True, warm_up=False, note="without loading the network",
            setup=partial(shutil.rmtree, out, ignore_errors=True),
        )  # fmt: skip

    def network(estimator, count, batch):
        for some in images[:count].split(batch):
            estimator(some)

    for name, depth, count in ((BUILT_IN, "compact", 480), (STANDARD, str(weights), 32)):
        estimator = DepthEstimator.load(depth, device="cpu")
        contenders += [run(name, depth), Contender(
            ALONE.format(name), "stage", partial(network, estimator, count, BATCH), count,
            note=f"best precision, batches of {BATCH}",
        )]  # fmt: skip
    original = Original(bank, suite.inputs.samples(12), tmp_path)
    plain = DepthEstimator.load(str(weights), device="cpu", precision="fp32")

    def originally():
        original.run()
        network(plain, 12, 12)

    contenders.append(Contender(
        ORIGINAL, "baseline", originally, 12, note=f"{HOW_ORIGINAL}; DenseDepth-169 in fp32, depth "
        "not even saved",
    ))  # fmt: skip
    race = suite.race("Whole runs with depth: JPEG, matte PNG, 8-bit depth PNG", contenders, 3)
    for name in counts:
        ours = f"evafast webdataset, {name}"
        ratios += [race.ratio(ours, ALONE.format(name), aim=0.8), race.ratio(ours, ORIGINAL)]
    suite.keep(
        "generate-depth", race, unit="samples/s", ratios=ratios,
        parameters={**suite.inputs.described, "samples": counts, "quality": 90, "threads": CORES},
    )  # fmt: skip


@pytest.mark.slow
def test_sustained(suite, tmp_path):
    samples, out, measured = suite.size(100_000, 2000), tmp_path / "out", []
    whole, generating = "the whole command", "generating alone"

    def call():
        arguments = ["--depth", "none", "--limit", str(samples), *suite.inputs.arguments]
        measured.append(in_process("--out", str(out), *arguments))
        return measured[-1]["seconds"]

    clear = partial(shutil.rmtree, out, ignore_errors=True)
    race = suite.race("100,000 samples in one go: JPEG and matte PNG at 224 px, webdataset", [
        Contender(whole, "ours", call, samples, warm_up=False, self_timed=True, setup=clear,
                  note="a fresh process: imports, loading and preprocessing, all of it"),
        *stages(suite.inputs.bank, tmp_path, suite.size(8192, 256)),
    ], 5, repeat=False)  # fmt: skip
    race.contenders[generating] = Contender(
        generating, "ours", call, samples, note="without start-up and loading",
        seconds=[one["generating_seconds"] for one in measured],
    )  # fmt: skip
    peak = max(one["peak_memory_bytes"] for one in measured)
    fast = {name: np.median(race.contenders[name].rates) >= 6000 for name in (generating, whole)}
    aims = {**{f"6,000 samples/s, {name}": met for name, met in fast.items()},
            "1.5 GB": peak < 1.5e9}  # fmt: skip
    suite.keep(
        "sustained", race, unit="samples/s",
        parameters={**suite.inputs.described, "samples": samples, **SETTINGS},
        ratios=[*shares(race, generating), race.ratio(generating, ENCODE)],
        facts={
            "allowed_by_stages": float(np.median(allowed(race))),
            "peak_memory_bytes": peak,
            "aims": ", ".join(f"{aim}: {'met' if met else '**missed**'}"
                              for aim, met in aims.items()),
            "busy": measured[-1]["busy"],
        },
    )  # fmt: skip
