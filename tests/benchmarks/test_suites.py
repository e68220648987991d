"""The suites: all are collected, one runs, and their parts do what they say."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def suites(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_all_suites_are_collected_and_one_says_what_it_does_and_keeps_its_record(tmp_path):
    ran = suites("--quick", "-k", "samples_planned", "--records", str(tmp_path))
    assert ran.returncode == 0, ran.stdout[-2000:]  # a suite that cannot be imported is an error
    assert "1 passed" in ran.stdout
    (path,) = tmp_path.glob("scaling-samples--*.json")
    assert json.loads(path.read_text())["rows"][0]["name"] == "1,000 samples"
    begun = ran.stdout.index("Planning a run: from the bank to its first 250 placements: 2 rounds")
    assert begun < ran.stdout.index("1,000,000 samples / 1,000 samples: ")


def test_the_budgets_add_up_to_less_than_a_session():
    from benchmarks.harness.suite import FULL_SECONDS

    source = "".join(p.read_text() for p in (ROOT / "benchmarks").glob("bench_*.py"))
    cpu = re.findall(r"(?<!gpu\n)@pytest\.mark\.budget\((\d+)\)", source)
    encodings = 4  # one test, four times
    total = sum(map(int, cpu)) + (encodings - 1) * 8
    assert total <= FULL_SECONDS < 480


@pytest.fixture
def placements(bank):
    from benchmarks.harness.inputs import first_samples

    return first_samples(bank, 24)


@pytest.mark.parametrize("name", ["Pillow", "NumPy", "OpenCV", "torch"])
def test_peers_make_the_same_pixels(bank, placements, name):
    from benchmarks.peers.compositing import CPU_PEERS
    from evafast import Compositor

    ours = Compositor(bank, backend="numba", device="cpu")(placements)
    peer = CPU_PEERS[name][0](bank, placements)
    peer.run()
    image, mask = peer.result()
    assert np.array_equal(image, ours.image.numpy())
    assert np.array_equal(mask, ours.mask.numpy())


def test_the_gpu_suite_runs_dry_on_the_cpu(bank, monkeypatch):
    from benchmarks.peers import on_device as suite

    peers = {name: suite.GPU_PEERS[name] for name in ("torch", "torch, grid_sample")}
    monkeypatch.setattr(suite, "GPU_PEERS", peers)
    monkeypatch.setattr(suite, "ROTATE_BYTES", 1 << 16)
    contenders, skipped = suite.on_device(
        bank, torch.device("cpu"), ("numba", "cupy"), batches=(1, 5), peer_batch=5, copy_bytes=4096
    )
    equal = {c.name: c.equal for c in contenders if c.role == "ours"}
    assert equal == {"evafast numba, batch 1": True, "evafast numba, batch 5": True}
    assert {c.name: c.equal for c in contenders if c.role == "peer"}["torch"]
    assert "cupy" in skipped or torch.cuda.is_available()
    copy = next(c for c in contenders if c.name == "device copy, batch 5")
    moved = next(c for c in contenders if c.name == "evafast numba, batch 5").facts["bytes"]
    assert copy.work == pytest.approx(5 * 2 * 4096 / moved)
    for contender in contenders:
        contender.run()
        assert 0 < contender.seconds[0] < 60


def test_the_limit_copies_every_background_and_clears_every_mask(bank, placements):
    from benchmarks.harness.limits import CopyEach

    copy = CopyEach(bank, placements)
    copy.mask[:] = 7
    copy()
    assert np.array_equal(copy.image, copy.backgrounds[placements.background])
    assert not copy.mask.any()


def test_encoders_of_lossless_kinds_are_lossless():
    from benchmarks.peers.encoders import ENCODERS, decoded

    rng = np.random.default_rng(0)
    matte = np.zeros((37, 41), np.uint8)
    matte[5:20, 9:30] = rng.integers(0, 256, (15, 21))
    pixels = {
        "matte": matte, "depth8": rng.integers(0, 256, (37, 41)).astype(np.uint8),
        "depth16": rng.integers(0, 65536, (37, 41)).astype(np.uint16),
    }  # fmt: skip
    for kind, image in pixels.items():
        for name, make in ENCODERS[kind].items():
            try:
                data = make()(image)
            except ImportError:
                continue
            back = decoded(data)
            assert back is None or np.array_equal(back, image), (kind, name)


def test_the_original_writes_image_and_mask_of_every_sample(bank, placements, tmp_path):
    from benchmarks.peers.original import Original

    Original(bank, placements, tmp_path).run()
    for name, mode in (("fg_bg.zip", "RGB"), ("fg_bg_mask.zip", "L")):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert len(archive.namelist()) == 24
            image = Image.open(io.BytesIO(archive.read(archive.namelist()[0])))
            assert (image.mode, image.size) == (mode, (bank.canvas, bank.canvas))


def test_a_run_of_its_own_measures_its_own_memory(folders, tmp_path):
    from benchmarks.harness.one_run import in_process

    ballast = np.ones(1_500_000_000, np.uint8)  # a parent's peak that the child must not report
    bg, fg = map(str, folders)
    run = in_process("--backgrounds", bg, "--foregrounds", fg, "--depth", "none", "--limit", "9",
                     "--out", str(tmp_path / "out"))  # fmt: skip
    assert ballast.all()
    assert run["samples"] == 9
    assert 0 < run["generating_seconds"] < run["seconds"]
    assert 20_000_000 < run["peak_memory_bytes"] < 1_400_000_000
    assert "encode" in run["busy"]


def test_what_stages_and_libraries_allow():
    from benchmarks.harness import stages as s
    from benchmarks.harness.race import Contender, Race

    def race(**rates):
        return Race("stages", [
            Contender(getattr(s, name), "stage", lambda: None, rate, seconds=[1.0])
            for name, rate in rates.items()
        ])  # fmt: skip

    rates = {"COMPOSITE": 60e3, "HASH": 30e3}
    shared = (1 / 60e3 + 1 / 30e3) / s.CORES
    expected = pytest.approx([1 / (1 / 9e3 + shared)])
    assert s.allowed(race(**rates, MAKE=9e3, WRITE=25e3)).tolist() == expected
    assert s.allowed(race(**rates, MAKE=1e9, WRITE=5e3)).tolist() == [5e3]
    assert s.allowed(race(COMPOSITE=4e3, HASH=1e9, MAKE=1e9, WRITE=1e9)).tolist() == [4e3]
    expected = pytest.approx([1 / (1 / 10e3 + shared)])
    assert s.allowed_by_libraries(race(**rates, ENCODE=10e3, DISK=50e3)).tolist() == expected
    assert s.allowed_by_libraries(race(**rates, ENCODE=10e3, DISK=5e3)).tolist() == [5e3]


def test_a_b_compares_checkouts(folders, tmp_path, monkeypatch, capsys):
    from benchmarks.harness import ab

    seconds = {ROOT: 1.0, tmp_path: 2.0}
    monkeypatch.setattr(ab, "in_process", lambda *words, tree: {
        "samples": 10, "generating_seconds": seconds[tree], "peak_memory_bytes": 5
    })  # fmt: skip
    kept = []
    monkeypatch.setattr(ab, "write", kept.append)
    assert ab.main("direct", f"base={ROOT}", f"without={tmp_path}", "--", "--limit", "10") == 0
    (record,) = kept
    assert record["name"] == "ab-direct"
    assert [(r["of"], r["median"]) for r in record["ratios"]] == [
        ("without, idle", 0.5), ("without, busy", 0.5)
    ]  # fmt: skip
