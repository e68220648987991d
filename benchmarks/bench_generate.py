"""Whole runs without depth: every layout, against the original's way and the stages.

Runs start with the pictures loaded (loading is stated as a fact of the record) and write to the
disk that the temporary folder is on; flushing is part of their time. ``bench_sustained`` runs the
whole command, loading and all; ``bench_generate_depth`` has depth in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import evafast.generate
from benchmarks.inputs import described, first_samples
from benchmarks.original import Original
from benchmarks.race import Contender, Race, ratio
from benchmarks.record import ROOT
from benchmarks.stages import ENCODE, allowed, allowed_by_libraries, encoder_pool, stages
from evafast.assets.loading import LoadedAssets, load_folders
from evafast.writing.config import GenerateConfig

ORIGINAL = "the original's way"


def one_run(*arguments: str, folder) -> dict:
    """Run the command in a process of its own; return what it says of itself."""
    return in_a_process("benchmarks.one_run", "--out", str(folder), *arguments)


def in_a_process(module: str, *arguments: str) -> dict:
    """Run a module that prints a line of JSON; how its idle threads wait is its own affair."""
    own = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT,
        env={**own, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def from_folders(pictures) -> list[str]:
    """Return the arguments that name the pictures."""
    if pictures.backgrounds is None:
        return []
    return ["--backgrounds", str(pictures.backgrounds), "--foregrounds", str(pictures.foregrounds)]


def loading_seconds(pictures) -> float:
    """Return how long the pictures take to load."""
    if pictures.backgrounds is None:
        from evafast.builtin import pack_folders

        with pack_folders() as folders:
            return _timed(load_folders, *folders)
    return _timed(load_folders, pictures.backgrounds, pictures.foregrounds)


def _timed(call, *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


@pytest.fixture
def generating(bank, monkeypatch, scale, tmp_path):
    """Return a maker of contenders that generate into a fresh folder with the pictures loaded."""
    monkeypatch.setattr(evafast.generate, "_load_assets", lambda config: LoadedAssets(bank))

    def make(label, config):
        out = tmp_path / label.replace(" ", "-")
        config = replace(config, out=str(out))
        return Contender(
            label, "ours", partial(evafast.generate.generate, config), config.limit,
            before=partial(shutil.rmtree, out, ignore_errors=True), warm=not scale.quick,
        )  # fmt: skip

    return make


def the_original(bank, samples, folder, then=lambda: None):
    """Return the baseline as a contender."""
    original, placements = Original(bank), first_samples(bank, samples)

    def call():
        original.write(placements, folder)
        then()

    return Contender(ORIGINAL, "baseline", call, samples,
                     note="Pillow paste, JPEG by Pillow (the mask too), zip, 1 thread")  # fmt: skip


def test_generate_without_depth(
    benchmark, bank, pictures, scale, generating, tmp_path, keep_race
):
    samples, rounds = scale(12_000, 250), scale(5, 1)
    config = GenerateConfig(depth="none", limit=samples)
    runs = [
        generating(f"evafast {layout}", replace(config, layout=layout))
        for layout in ("webdataset", "folder", "zip")
    ]
    with encoder_pool() as pool:
        race = Race([
            *runs, the_original(bank, scale(1000, 50), tmp_path),
            *stages(bank, config.codec, tmp_path, scale(2048, 256), pool),
        ])  # fmt: skip
        race.run(benchmark, rounds, patience=2)
    first = runs[0].name
    limit = allowed(race)
    ratios = [
        race.ratio(first, ORIGINAL),
        ratio(first, "what the stages allow", race.contenders[first].rates / limit, aim=0.8),
        ratio(
            first, "what the libraries alone allow",
            race.contenders[first].rates / allowed_by_libraries(race), aim=0.8,
        ),
        race.ratio(first, ENCODE),
        *(race.ratio(run.name, first) for run in runs[1:]),
    ]
    alone = {}
    if not scale.quick:  # its memory is its own only in a process of its own
        alone = one_run(
            "--depth", "none", "--limit", str(samples), *from_folders(pictures), "--quiet",
            folder=tmp_path / "alone",
        )  # fmt: skip
    keep_race(
        "generate", race, title="Whole runs without depth: JPEG and matte PNG at 224 px",
        unit="samples/s", ratios=ratios,
        parameters={**described(pictures), "samples": samples, "quality": 90, "depth": "none"},
        facts={
            "loading_seconds": loading_seconds(pictures),
            "allowed_by_stages": float(np.median(limit)),
            **{name: alone[name] for name in ("peak_memory_bytes", "busy") if alone},
        },
    )  # fmt: skip
