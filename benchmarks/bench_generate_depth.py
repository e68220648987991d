"""Whole runs with depth, against the network alone and the original's way.

Each runs in a process of its own: how idle threads wait is settled when torch is loaded, matters
much to a network on the CPU, and the command chooses one way with depth and another without.
Aim (issue 5): at least 0.8 of the network alone.
"""

from __future__ import annotations

import pytest

from benchmarks.bench_generate import ORIGINAL, from_folders, in_a_process, one_run
from benchmarks.inputs import described
from benchmarks.race import Contender, Race
from benchmarks.stages import CORES

BUILT_IN, STANDARD = "built-in depth", "DenseDepth"
ALONE = "{}: the network alone"
AT_ONCE = 16


def stored_network(folder):
    """Return a file of DenseDepth's weights; random, for speed does not depend on them."""
    from evafast.depth.densedepth.network import DenseDepth
    from evafast.depth.densedepth.weights import save_safetensors

    weights = folder / "densenet169.safetensors"
    save_safetensors(DenseDepth().eval(), weights)
    return str(weights)


def generating(label, depth, layout, samples, pictures, tmp_path):
    """Return a contender that generates; its time is without start-up and loading."""
    folders = iter(range(1000))

    def call():
        arguments = ["--depth", depth, "--layout", layout, "--limit", str(samples), "--quiet"]
        folder = tmp_path / f"{layout}-{samples}-{next(folders)}"
        said = one_run(*arguments, *from_folders(pictures), folder=folder)
        return said["generating_seconds"]

    note = "in a process of its own"
    return Contender(label, "ours", call, samples, warm=False, tells=True, note=note)


def network(label, role, depth, images, at_once, pictures, *more, note):
    """Return a contender that only runs the network, after a first time that does not count."""

    def call():
        arguments = ["--depth", depth, "--images", str(images), "--at-once", str(at_once)]
        said = in_a_process("benchmarks.one_network", *arguments, *from_folders(pictures), *more)
        return said["seconds"]

    return Contender(label, role, call, images, warm=False, tells=True, note=note)


@pytest.mark.long
def test_generate_with_depth(benchmark, pictures, scale, tmp_path, keep_race):
    weights, counts = stored_network(tmp_path), {BUILT_IN: scale(2400, 96), STANDARD: 192}
    contenders = [
        generating(f"evafast {layout}, {BUILT_IN}", "compact", layout, counts[BUILT_IN], pictures,
                   tmp_path)
        for layout in ("webdataset", "folder", "zip")
    ]  # fmt: skip
    contenders += [
        generating(f"evafast webdataset, {STANDARD}", weights, "webdataset", counts[STANDARD],
                   pictures, tmp_path),
        network(ALONE.format(BUILT_IN), "stage", "compact", scale(960, 48), AT_ONCE, pictures,
                note=f"best precision, batches of {AT_ONCE}"),
        network(ALONE.format(STANDARD), "stage", weights, 48, AT_ONCE, pictures,
                note=f"best precision, batches of {AT_ONCE}"),
        network(ORIGINAL, "baseline", weights, 12, 12, pictures, "--precision", "fp32",
                "--original", str(tmp_path),
                note="Pillow paste, JPEG by Pillow (the mask too), zip, 1 thread; DenseDepth-169 "
                     "in fp32, depth not even saved"),
    ]  # fmt: skip
    race = Race(contenders)
    race.run(benchmark, scale(3, 1))
    ratios = []
    for name in (BUILT_IN, STANDARD):
        ours = f"evafast webdataset, {name}"
        ratios += [race.ratio(ours, ALONE.format(name), aim=0.8), race.ratio(ours, ORIGINAL)]
    keep_race(
        "generate-depth", race, title="Whole runs with depth: JPEG, matte PNG, 8-bit depth PNG",
        unit="samples/s", ratios=ratios,
        parameters={
            **described(pictures), "samples": counts, "quality": 90, "threads": CORES,
            "weights": "DenseDepth's are random: speed does not depend on them",
        },
    )  # fmt: skip
