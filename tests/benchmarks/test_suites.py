"""The suites themselves: they can all be collected, one runs, and their parts do what they say."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def suites(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_all_suites_are_collected_and_one_writes_its_record_where_it_is_told(tmp_path):
    pytest.importorskip("webdataset")
    ran = suites("--quick", "-k", "samples_planned", "--records", str(tmp_path))
    assert ran.returncode == 0, ran.stdout[-2000:]  # a suite that cannot be imported is an error
    assert "1 passed" in ran.stdout
    (path,) = tmp_path.glob("scaling-samples--*.json")
    assert json.loads(path.read_text())["rows"][0]["name"] == "1,000 samples"
    assert "1,000,000 samples / 1,000 samples" in ran.stdout


@pytest.fixture
def placements(bank):
    from benchmarks.inputs import first_samples

    return first_samples(bank, 24)


@pytest.mark.parametrize(
    ("name", "package"),
    [("Pillow", "PIL"), ("NumPy", "numpy"), ("OpenCV", "cv2"), ("torch", "torch")],
)
def test_peers_make_the_same_pixels(bank, placements, name, package):
    pytest.importorskip(package)
    from benchmarks.cpu_peers import PEERS
    from evafast import Compositor

    ours = Compositor(bank, backend="numba", device="cpu")(placements)
    peer = PEERS[name][0](bank, placements)
    peer.run()
    image, mask = peer.result()
    assert np.array_equal(image, ours.image.numpy())
    assert np.array_equal(mask, ours.mask.numpy())


def test_the_limit_copies_every_background_and_clears_every_mask(bank, placements):
    from benchmarks.limits import CopyAll, CopyEach

    copy = CopyEach(bank, placements)
    copy._mask[:] = 7
    copy()
    assert np.array_equal(copy._image, copy._backgrounds[placements.background])
    assert not copy._mask.any()
    long = CopyAll(5, 33, 2)
    long._mask[:] = 7
    long()
    assert long._image.all()
    assert not long._mask.any()


def test_encoders_of_lossless_kinds_are_lossless():
    from benchmarks.encoders import ENCODERS, decoded

    rng = np.random.default_rng(0)
    matte = np.zeros((37, 41), np.uint8)
    matte[5:20, 9:30] = rng.integers(0, 256, (15, 21))
    pixels = {
        "matte": matte, "depth8": rng.integers(0, 256, (37, 41)).astype(np.uint8),
        "depth16": rng.integers(0, 65536, (37, 41)).astype(np.uint16),
    }  # fmt: skip
    for kind, picture in pixels.items():
        for name, make in ENCODERS[kind].items():
            try:
                data = make()(picture)
            except ImportError:
                continue
            back = decoded(data)
            assert back is None or np.array_equal(back, picture), (kind, name)


def test_the_original_writes_every_sample_twice(bank, placements, tmp_path):
    from benchmarks.original import Original

    Original(bank).write(placements, tmp_path)
    for name, mode in (("fg_bg.zip", "RGB"), ("fg_bg_mask.zip", "L")):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert len(archive.namelist()) == 24
            picture = Image.open(io.BytesIO(archive.read(archive.namelist()[0])))
            assert (picture.mode, picture.size) == (mode, (bank.canvas, bank.canvas))


def test_peak_memory_is_the_program_s_own_and_not_its_parent_s():
    ballast = np.ones(400_000_000, np.uint8)  # a parent's peak that the child must not report
    program = "from benchmarks.one_run import peak_memory; print(peak_memory())"
    words = [sys.executable, "-c", program]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ballast.all()
    assert 1_000_000 < int(ran.stdout) < 200_000_000


def test_what_stages_and_libraries_allow_adds_up_their_times():
    from benchmarks.race import Contender, Race
    from benchmarks.stages import (
        COMPOSITE,
        CORES,
        DISK,
        ENCODE,
        HASH,
        MAKE,
        WRITE,
        allowed,
        allowed_by_libraries,
    )

    def race(**rates):
        names = {"make": MAKE, "write": WRITE, "composite": COMPOSITE, "encode": ENCODE,
                 "sha": HASH, "disk": DISK}  # fmt: skip
        stages = [
            Contender(names[name], "stage", lambda: None, rate, seconds=[1.0])
            for name, rate in rates.items()
        ]
        return Race(stages)

    seconds = 1 / 9e3 + 1 / (CORES * 30e3)
    assert allowed(race(make=9e3, sha=30e3, write=25e3)).tolist() == pytest.approx([1 / seconds])
    assert allowed(race(make=1e9, sha=30e3, write=5e3)).tolist() == [5e3]
    rates = {"composite": 60e3, "encode": 10e3, "sha": 30e3}
    seconds = 1 / 60e3 + 1 / 10e3 + 1 / (CORES * 30e3)
    assert allowed_by_libraries(race(**rates, disk=50e3)).tolist() == pytest.approx([1 / seconds])
    assert allowed_by_libraries(race(**rates, disk=5e3)).tolist() == [5e3]
