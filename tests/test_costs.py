"""What a sample costs, in counts instead of seconds: they hold on any machine, however busy.

Bytes, calls of the backend, allocations, waits for the device, compiled functions, flushes and
modules imported. Whoever makes one of them grow makes every run slower, and hears of it here.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from itertools import product

import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evafast import Bank, Compositor, Pipeline, Recipe
from evafast.dataset.store import LocalStore
from evafast.generate import choose_waiting, generate
from evafast.pipeline import BufferRing
from evafast.system.timing import StageClock
from evafast.writing.config import GenerateConfig
from evafast.writing.transfer import DepthEncoding, HostTransfer

NEW_MEMORY = ("aten::empty", "aten::new_empty", "aten::zeros", "aten::_to_copy", "aten::clone")
WAITS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero")


class Operations(TorchDispatchMode):
    """Counts torch's operations by name."""

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen[function.name().partition(".")[0]] += 1
        return function(*args, **(kwargs or {}))

    def count(self, names):
        return sum(self.seen[name] for name in names)


class Depth:
    """A stand-in for the network: depth is the red channel."""

    device = torch.device("cpu")

    def __call__(self, images):
        class Maps:
            depth = images[..., 0].float() + 1
            finite = torch.ones(len(images), dtype=torch.bool)

        return Maps


@pytest.fixture
def pipeline(bank):
    return Pipeline(bank, Recipe.for_bank(bank), Compositor(bank, backend="numba", device="cpu"))


def run(pipeline, batch_size, count, ring=None):
    for batch in pipeline.batches(np.arange(count), batch_size, ring=ring):
        batch.release()


def test_a_sample_is_four_bytes_a_pixel_and_its_backgrounds_are_not_copied(pipeline, bank):
    batch = pipeline.batch(np.arange(5))
    other = pipeline.batch(np.arange(5, 10))
    assert batch.image.nbytes + batch.mask.nbytes == 5 * 4 * bank.canvas**2
    assert batch._backgrounds.data_ptr() == other._backgrounds.data_ptr()


@pytest.mark.parametrize(("count", "size", "calls"), [(7, 7, 1), (14, 7, 2), (15, 7, 3), (9, 1, 9)])
def test_one_call_of_the_backend_a_batch(pipeline, monkeypatch, count, size, calls):
    backend, seen = pipeline.compositor._backend, []
    original = backend.composite
    monkeypatch.setattr(
        backend, "composite", lambda p, *rest: (seen.append(len(p)), original(p, *rest))
    )
    run(pipeline, size, count)
    assert (len(seen), sum(seen)) == (calls, count)


def test_no_pixels_are_allocated_once_buffers_go_round(pipeline):
    ring = BufferRing(pipeline.compositor, 8, 2)
    run(pipeline, 8, 16, ring)
    with Operations() as operations:
        run(pipeline, 8, 80, ring)
    assert operations.count(NEW_MEMORY) == 0, operations.seen


def test_without_a_ring_a_batch_allocates_its_image_and_its_mask(pipeline):
    run(pipeline, 8, 8)
    with Operations() as operations:
        run(pipeline, 8, 80)
    assert operations.count(NEW_MEMORY) == 2 * 10, operations.seen


def test_python_and_numpy_hold_no_more_than_numbers_a_sample(pipeline):
    ring = BufferRing(pipeline.compositor, 64, 1)
    run(pipeline, 64, 128, ring)
    tracemalloc.start()
    run(pipeline, 64, 128, ring)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1000, f"{peak} bytes for 64 samples"  # a sample here has 16,384 of pixels
    assert left < 8000, f"{left} bytes stay after the batches"


@pytest.mark.parametrize("encoding", ["minmax8", "metric16"])
def test_no_batch_waits_for_the_device(bank, encoding):
    pipeline = Pipeline(bank, Recipe.for_bank(bank), Compositor(bank, device="cpu"), Depth())
    transfer = HostTransfer(DepthEncoding(encoding, 1.0), clock=StageClock())
    with Operations() as operations:
        for batch in pipeline.batches(np.arange(24), 8):
            transfer.start(batch)
    assert operations.seen["aten::cat"], "nothing was counted"
    assert operations.count(WAITS) == 0, operations.seen


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_no_batch_waits_for_the_device_on_a_gpu(bank):
    pipeline = Pipeline(bank, Recipe.for_bank(bank), Compositor(bank, device="cuda"))
    pipeline.batch(np.arange(8))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in pipeline.batches(np.arange(80), 8):
            pass
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_one_kernel_a_batch_on_a_gpu(bank):
    pipeline = Pipeline(bank, Recipe.for_bank(bank), Compositor(bank, device="cuda"))
    pipeline.batch(np.arange(8))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run(pipeline, 8, 80)
        torch.cuda.synchronize()
    kernels = [e for e in profile.events() if "Memcpy" not in e.name and "Memset" not in e.name]
    over = [e for e in kernels if "over" in e.name]
    assert len(over) == 10, Counter(e.name for e in kernels)


def test_other_sizes_banks_and_masks_compile_nothing_new(bank):
    from evafast.compositing.backends.numba_cpu import _on_all_threads, _on_this_thread
    from evafast.dataset.statistics import PixelSums, _add_up

    other = Bank.from_arrays(
        np.zeros((2, 40, 40, 3), np.uint8), [np.full((3, 5, 4), 255, np.uint8)]
    )
    kernels, compiled = (_on_all_threads, _on_this_thread, _add_up), []
    for some in (bank, other):
        recipe = Recipe.for_bank(some)
        for mask, parallel in product(("matte", "binary"), (True, False)):
            compositor = Compositor(
                some, backend="numba", device="cpu", mask=mask, parallel=parallel
            )
            ring = BufferRing(compositor, 16, 1)
            for size in (1, 2, 7, 16):
                made = compositor(recipe[np.arange(size)])
                run(Pipeline(some, recipe, compositor), size, 2 * size, ring)
                for pixels in (made.image, made.mask):
                    PixelSums.of_batch(pixels.numpy())
                    PixelSums.of_batch(pixels.numpy()[1:])
            compositor(recipe[5:30:5])
            compositor(recipe[20:40][3:9])
        compiled.append([kernel.signatures for kernel in kernels])
    assert compiled[0] == compiled[1]
    assert [len(signatures) for signatures in compiled[0][:2]] == [1, 1]


class Traffic:
    """Counts what a run writes and flushes."""

    def __init__(self, monkeypatch):
        self.written, self.flushes = Counter(), 0
        writing, fsync = LocalStore.writing, os.fsync
        traffic = self

        class Counting:
            def __init__(self, name, inner):
                self._name, self._inner = name, inner

            def __enter__(self):
                self._stream = self._inner.__enter__()
                return self

            def __exit__(self, *rest):
                return self._inner.__exit__(*rest)

            def write(self, data):
                traffic.written[self._name.partition("/")[0]] += len(data)
                return self._stream.write(data)

            def __getattr__(self, name):
                return getattr(self._stream, name)

        def counted(number):
            traffic.flushes += 1
            return fsync(number)

        monkeypatch.setattr(
            LocalStore, "writing",
            lambda store, name, **how: Counting(name, writing(store, name, **how)),
        )  # fmt: skip
        monkeypatch.setattr(os, "fsync", counted)


def config(folders, out, **more):
    return GenerateConfig(
        backgrounds=folders[0], foregrounds=folders[1], out=str(out), depth="none", device="cpu",
        placements=8, **more,
    )  # fmt: skip


def stored(out, folder):
    return sum(p.stat().st_size for p in (out / folder).rglob("*") if p.is_file())


def test_a_shard_is_written_once_and_costs_three_headers_a_sample(folders, tmp_path, monkeypatch):
    traffic = Traffic(monkeypatch)
    generate(config(folders, tmp_path / "set", limit=40, samples_per_shard=20))
    shards = sorted((tmp_path / "set" / "shards").glob("*.tar"))
    size = sum(shard.stat().st_size for shard in shards)
    assert len(shards) == 2
    assert traffic.written["shards"] == stored(tmp_path / "set", "shards")
    # Image, mask and record: a header each and less than a block of padding, two blocks at the end.
    held = 0
    for shard in shards:
        data, at = shard.read_bytes(), 0
        while data[at]:
            member = int(data[at + 124 : at + 135], 8)
            held, at = held + member, at + 512 + -(-member // 512) * 512
        assert len(data) == at + 1024
    assert 40 * 3 * 512 <= size - held - 2 * 1024 < 40 * 3 * 1024


def test_a_zip_is_written_twice_at_most(folders, tmp_path, monkeypatch):
    traffic = Traffic(monkeypatch)
    generate(config(folders, tmp_path / "set", limit=40, samples_per_shard=20, layout="zip"))
    archives = sum(p.stat().st_size for p in (tmp_path / "set").glob("*.zip"))
    whole = sum(n for name, n in traffic.written.items() if name.endswith(".zip"))
    assert whole == archives  # once as segments, under the working folder, once joined
    assert traffic.written[".evafast"] < 1.2 * archives


@pytest.mark.parametrize("layout", ["webdataset", "zip"])
def test_more_samples_in_as_many_parts_flush_no_more(folders, tmp_path, monkeypatch, layout):
    flushes = []
    for count in (16, 64):
        with monkeypatch.context() as patch:
            traffic = Traffic(patch)
            out = tmp_path / str(count)
            generate(config(folders, out, limit=count, samples_per_shard=count, layout=layout))
        flushes.append(traffic.flushes)
    assert flushes[0] == flushes[1] > 0


def test_each_picture_is_encoded_once(folders, tmp_path, monkeypatch):
    from evafast.dataset.codec import Codec

    seen = Counter()
    for name in ("encode_images", "encode_masks", "encode_depths"):
        original = getattr(Codec, name)

        def counted(codec, pixels, name=name, original=original):
            seen[name] += len(pixels)
            return original(codec, pixels)

        monkeypatch.setattr(Codec, name, counted)
    generate(config(folders, tmp_path / "set", limit=40, workers=1))
    assert seen == {"encode_images": 40, "encode_masks": 40}


def test_a_batch_read_back_opens_each_shard_once(folders, tmp_path, monkeypatch):
    from evafast import open_dataset

    generate(config(folders, tmp_path / "set", limit=40, samples_per_shard=20))
    dataset = open_dataset(tmp_path / "set")
    opened, original = [], LocalStore.open
    monkeypatch.setattr(
        LocalStore, "open", lambda store, name: (opened.append(name), original(store, name))[1]
    )
    for _ in range(3):
        dataset[np.arange(40)]
    assert sorted(opened) == ["shards/shard-000000.tar", "shards/shard-000001.tar"]


def loaded_by(line):
    program = f"{line}\nimport sys\nprint(*sorted(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_import_loads_nothing_heavy():
    heavy = {"torch", "numba", "cv2", "cupy", "numpy", "PIL", "h5py", "fsspec", "rich"}
    before = loaded_by("pass")
    added = loaded_by("import evafast") - before
    assert not added & heavy
    assert len([name for name in added if name.startswith("evafast")]) <= 2, added


def test_the_command_line_answers_before_torch_loads():
    assert not loaded_by("import evafast.generate") & {"torch", "cupy", "h5py"}


@pytest.mark.parametrize(("depth", "given", "waiting", "rounds"), [
    ("none", None, "PASSIVE", None),  # beside encoders, idle threads must not spin
    ("compact", None, "PASSIVE", "2000"),  # a network wants them awake for a moment
    ("compact", "ACTIVE", "ACTIVE", None),
])  # fmt: skip
def test_how_idle_threads_wait(monkeypatch, depth, given, waiting, rounds):
    environment = {} if given is None else {"OMP_WAIT_POLICY": given}
    monkeypatch.setattr(os, "environ", environment)
    choose_waiting(GenerateConfig(out="x", depth=depth))
    assert environment.get("OMP_WAIT_POLICY") == waiting
    assert environment.get("GOMP_SPINCOUNT") == rounds


def test_collections_and_opencv_threads_are_fewer_while_generating_and_as_before_after(
    folders, tmp_path, monkeypatch
):
    usual, seen = (gc.get_threshold(), cv2.getNumThreads()), []
    batches = Pipeline.deferred_batches

    def noted(self, *arguments):
        seen.append((gc.get_threshold()[0], cv2.getNumThreads()))
        return batches(self, *arguments)

    monkeypatch.setattr(Pipeline, "deferred_batches", noted)
    generate(config(folders, tmp_path / "set", limit=8, samples_per_shard=8))
    ((rarity, threads),) = seen
    assert rarity > 10 * usual[0][0]
    assert threads == 1
    assert (gc.get_threshold(), cv2.getNumThreads()) == usual


def test_kernels_load_while_pictures_are_decoded(folders, tmp_path, monkeypatch):
    from evafast.assets import loading as assets

    loaded = threading.Event()
    composite, load = Compositor.__call__, assets.load_folders

    def noted(self, *arguments):
        made = composite(self, *arguments)
        loaded.set()
        return made

    def waiting(*arguments):
        assert loaded.wait(60), "no kernel ran before the pictures were there"
        return load(*arguments)

    monkeypatch.setattr(Compositor, "__call__", noted)
    monkeypatch.setattr("evafast.generate.load_folders", waiting)
    generate(config(folders, tmp_path / "set", limit=8))
