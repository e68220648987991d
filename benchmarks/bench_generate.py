"""Whole runs: without depth, with depth, and 100,000 samples in one go.

Without depth, runs start with the images loaded and are held against the original's way and
against what their stages allow; flushing to disk is part of their time. With depth, each runs in a
process of its own, because OpenMP's settings belong to a process, and is held against the network
alone. Aims (issue 5): 0.8 of the stages, 0.8 of the network alone; sustained 6,000 samples/s on two
cores in less than 1.5 GB.
"""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
import pytest

from benchmarks.harness.machine import CORES
from benchmarks.harness.processes import in_process
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

    original, some = Original(bank), suite.size(1000, 50)
    runs = [run(layout, samples) for layout, samples in counts.items()]
    race = suite.race("Whole runs without depth: JPEG and matte PNG at 224 px", [
        *runs,
        Contender(ORIGINAL, "baseline",
                  partial(original.write, suite.inputs.samples(some), tmp_path), some,
                  note="Pillow paste, JPEG by Pillow (the mask too), zip, 1 thread"),
        *stages(bank, tmp_path, suite.size(2048, 256)),
    ], 5)  # fmt: skip
    alone = in_process(  # its memory is its own only in a process of its own
        "one_run", "--out", str(tmp_path / "alone"), "--depth", "none", "--limit",
        str(counts["webdataset"]), "--quiet", *suite.inputs.arguments,
    )  # fmt: skip
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
@pytest.mark.budget(100)
def test_with_depth(suite, tmp_path):
    from evafast.depth.densedepth.network import DenseDepth
    from evafast.depth.densedepth.weights import save_safetensors

    weights = tmp_path / "densenet169.safetensors"
    save_safetensors(DenseDepth().eval(), weights)  # random: speed does not depend on them
    counts = {BUILT_IN: 1200, STANDARD: 64}

    def run(name, depth):
        def call():
            out = tmp_path / name
            shutil.rmtree(out, ignore_errors=True)
            arguments = ["--depth", depth, "--limit", str(counts[name]), "--quiet"]
            return in_process(
                "one_run", "--out", str(out), *arguments, *suite.inputs.arguments
            )["generating_seconds"]

        return Contender(f"evafast webdataset, {name}", "ours", call, counts[name], warm_up=False,
                         self_timed=True, note="in a process of its own")  # fmt: skip

    def network(label, role, depth, images, batch, *more, note):
        def call():
            return in_process(
                "one_network", "--depth", depth, "--images", str(images), "--batch", str(batch),
                *suite.inputs.arguments, *more,
            )["seconds"]  # fmt: skip

        return Contender(label, role, call, images, warm_up=False, self_timed=True, note=note)

    alone = f"best precision, batches of {BATCH}"
    race = suite.race("Whole runs with depth: JPEG, matte PNG, 8-bit depth PNG", [
        run(BUILT_IN, "compact"), run(STANDARD, str(weights)),
        network(ALONE.format(BUILT_IN), "stage", "compact", 480, BATCH, note=alone),
        network(ALONE.format(STANDARD), "stage", str(weights), 32, BATCH, note=alone),
        network(ORIGINAL, "baseline", str(weights), 12, 12, "--precision", "fp32", "--original",
                str(tmp_path),
                note="Pillow paste, JPEG by Pillow (the mask too), zip, 1 thread; DenseDepth-169 "
                     "in fp32, depth not even saved"),
    ], 3)  # fmt: skip
    ratios = []
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
        arguments = ["--depth", "none", "--limit", str(samples), "--quiet"]
        measured.append(
            in_process("one_run", "--out", str(out), *arguments, *suite.inputs.arguments)
        )
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
    aims = {"aim_of_rate": generating, "aim_of_rate_with_start_up": whole}
    suite.keep(
        "sustained", race, unit="samples/s",
        parameters={**suite.inputs.described, "samples": samples, **SETTINGS},
        ratios=[*shares(race, generating), race.ratio(generating, ENCODE)],
        facts={
            "allowed_by_stages": float(np.median(allowed(race))),
            "peak_memory_bytes": peak,
            **{
                aim: f"6,000 samples/s: {verdict(np.median(race.contenders[name].rates) >= 6000)}"
                for aim, name in aims.items()
            },
            "aim_of_memory": f"1.5 GB: {verdict(peak < 1.5e9)}",
            "busy": measured[-1]["busy"],
        },
    )  # fmt: skip


def verdict(met: bool) -> str:
    """Return how an aim is shown."""
    return "met" if met else "**missed**"
