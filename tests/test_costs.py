"""Costs per sample in counts, not seconds: they hold on any machine, however busy.

Bytes, calls of the backend, allocations, waits for the device, compiled functions, flushes and
modules imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evafast import Bank, Compositor, Pipeline, Recipe
from evafast.dataset.store import LocalStore
from evafast.pipeline import BufferPool
from evafast.system.timing import StepTimer
from evafast.writing import GenerateConfig, generate
from evafast.writing.transfer import HostTransfer

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


def run(pipeline, batch_size, count, pool=None):
    for batch in pipeline.batches(np.arange(count), batch_size, pool=pool):
        batch.release()


def test_a_sample_is_four_bytes_per_pixel_and_its_backgrounds_are_not_copied(pipeline, bank):
    batch = pipeline.batch(np.arange(5))
    other = pipeline.batch(np.arange(5, 10))
    assert batch.image.nbytes + batch.mask.nbytes == 5 * 4 * bank.canvas**2
    assert batch.backgrounds.data_ptr() == other.backgrounds.data_ptr()


@pytest.mark.parametrize(("count", "size", "calls"), [(7, 7, 1), (14, 7, 2), (15, 7, 3), (9, 1, 9)])
def test_one_call_of_the_backend_per_batch(pipeline, monkeypatch, count, size, calls):
    backend, seen = pipeline.compositor._backend, []
    original = backend.composite
    monkeypatch.setattr(
        backend, "composite", lambda p, *rest: (seen.append(len(p)), original(p, *rest))
    )
    run(pipeline, size, count)
    assert (len(seen), sum(seen)) == (calls, count)


def test_no_pixels_are_allocated_from_a_pool(pipeline):
    pool = BufferPool(pipeline.compositor, 8, 2)
    run(pipeline, 8, 16, pool)
    with Operations() as operations:
        run(pipeline, 8, 80, pool)
    assert operations.count(NEW_MEMORY) == 0, operations.seen


def test_without_a_pool_a_batch_allocates_its_image_and_its_mask(pipeline):
    run(pipeline, 8, 8)
    with Operations() as operations:
        run(pipeline, 8, 80)
    assert operations.count(NEW_MEMORY) == 2 * 10, operations.seen


def test_python_and_numpy_hold_only_numbers_per_sample(pipeline):
    pool = BufferPool(pipeline.compositor, 64, 1)
    run(pipeline, 64, 128, pool)
    tracemalloc.start()
    run(pipeline, 64, 128, pool)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1000, f"{peak} bytes for 64 samples"  # a sample here has 16,384 of pixels
    assert left < 8000, f"{left} bytes stay after the batches"


@pytest.mark.parametrize("encoding", ["minmax8", "metric16"])
def test_no_batch_waits_for_the_device(bank, encoding):
    pipeline = Pipeline(bank, Recipe.for_bank(bank), Compositor(bank, device="cpu"), Depth())
    plan = SimpleNamespace(depth=SimpleNamespace(metres_per_unit=1.0), depth_encoding=encoding)
    transfer = HostTransfer(plan, StepTimer())
    with Operations() as operations:
        for batch in pipeline.batches(np.arange(24), 8):
            transfer.start(batch)
    assert operations.seen, "nothing was counted"
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
def test_one_kernel_per_batch_on_a_gpu(bank):
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
            pool = BufferPool(compositor, 16, 1)
            for size in (1, 2, 7, 16):
                made = compositor(recipe[np.arange(size)])
                run(Pipeline(some, recipe, compositor), size, 2 * size, pool)
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
        create, fsync = LocalStore.create, os.fsync
        traffic = self

        def counting(store, name):
            file = create(store, name)
            write = file.write

            def counted_write(data):
                traffic.written[name.partition("/")[0]] += len(data)
                return write(data)

            file.write = counted_write
            return file

        def counted(number):
            traffic.flushes += 1
            return fsync(number)

        monkeypatch.setattr(LocalStore, "create", counting)
        monkeypatch.setattr(os, "fsync", counted)


def small(folders, out, **more):
    return GenerateConfig(
        backgrounds=folders[0], foregrounds=folders[1], out=str(out), depth="none", device="cpu",
        placements=8, **more,
    )  # fmt: skip


def stored(out, folder):
    return sum(p.stat().st_size for p in (out / folder).rglob("*") if p.is_file())


def test_a_shard_is_written_once_and_costs_three_headers_per_sample(folders, tmp_path, monkeypatch):
    traffic = Traffic(monkeypatch)
    generate(small(folders, tmp_path / "set", limit=40, samples_per_shard=20))
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
    generate(small(folders, tmp_path / "set", limit=40, samples_per_shard=20, layout="zip"))
    archives = sum(p.stat().st_size for p in (tmp_path / "set").glob("*.zip"))
    whole = sum(n for name, n in traffic.written.items() if name.endswith(".zip"))
    assert whole == archives  # once as segments, under the working folder, once joined
    assert traffic.written[".evafast"] < 1.2 * archives


@pytest.mark.parametrize("layout", ["webdataset", "zip"])
def test_more_samples_in_as_many_shards_flush_no_more(folders, tmp_path, monkeypatch, layout):
    flushes = []
    for count in (16, 64):
        with monkeypatch.context() as patch:
            traffic = Traffic(patch)
            out = tmp_path / str(count)
            generate(small(folders, out, limit=count, samples_per_shard=count, layout=layout))
        flushes.append(traffic.flushes)
    assert flushes[0] == flushes[1] > 0


def test_each_image_is_encoded_once(folders, tmp_path, monkeypatch):
    from evafast.dataset.codec import Codec

    seen = Counter()
    for name in ("encode_images", "encode_masks", "encode_depths"):
        original = getattr(Codec, name)

        def counted(codec, pixels, name=name, original=original):
            seen[name] += len(pixels)
            return original(codec, pixels)

        monkeypatch.setattr(Codec, name, counted)
    generate(small(folders, tmp_path / "set", limit=40, workers=1))
    assert seen == {"encode_images": 40, "encode_masks": 40}


def test_a_shard_is_indexed_once(folders, tmp_path, monkeypatch):
    from evafast import open_dataset

    generate(small(folders, tmp_path / "set", limit=40, samples_per_shard=20))
    dataset = open_dataset(tmp_path / "set")
    opened, original = [], LocalStore.open

    def noted(store, name):
        opened.append(name)
        return original(store, name)

    monkeypatch.setattr(LocalStore, "open", noted)
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
    heavy = {"torch", "numba", "cv2", "cupy", "numpy", "PIL", "h5py", "fsspec", "tqdm", "tyro"}
    before = loaded_by("pass")
    added = loaded_by("import evafast") - before
    assert not added & heavy
    assert len([name for name in added if name.startswith("evafast")]) <= 2, added


def test_the_command_line_answers_before_torch_loads():
    assert not loaded_by("import evafast.generate") & {"torch", "cupy", "h5py"}
