"""Stores: files appear complete or not at all, and other processes may read them."""

import errno
import os
import pickle

import fsspec
import numpy as np
import pytest
import torch
from commands import run
from fsspec.implementations.memory import MemoryFileSystem
from torch.utils.data import DataLoader

from evafast import RunError, UsageError, open_dataset
from evafast.dataset.manifest import Manifest, intact_manifest, write_manifest
from evafast.dataset.naming import MANIFEST
from evafast.dataset.store import LocalStore, RemoteStore, creating


@pytest.fixture(scope="module")
def stored(folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    for layout in ("webdataset", "folder", "zip"):
        assert run(folders, root / layout, "--layout", layout) == 0
    return root


class OneProcess(MemoryFileSystem):
    """As file systems over the network are: unusable in a forked process."""

    protocol = "oneprocess"
    cachable = False

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.process = os.getpid()

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("oneprocess://", "memory://"))

    def _open(self, path, *arguments, **options):
        assert self.process == os.getpid(), "opened before the fork"
        return super()._open(path, *arguments, **options)


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_forked_workers_connect_to_a_remote_store_anew(stored, layout):
    fsspec.register_implementation("oneprocess", OneProcess, clobber=True)
    memory = fsspec.filesystem("memory")
    memory.put(str(stored / layout), f"/forked/{layout}", recursive=True)
    dataset = open_dataset(f"oneprocess://forked/{layout}")
    loader = DataLoader(dataset, batch_size=5, num_workers=2, multiprocessing_context="fork")
    read = torch.cat([batch["image"] for batch in loader])
    assert torch.equal(read, open_dataset(stored / layout)[:].image)


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_a_dataset_goes_to_spawned_workers(stored, layout):
    dataset = open_dataset(stored / layout)
    expected = dataset[:]
    again = pickle.loads(pickle.dumps(dataset))[:]
    assert torch.equal(again.image, expected.image)
    if layout == "zip":
        loader = DataLoader(dataset, batch_size=24, num_workers=1, multiprocessing_context="spawn")
        (batch,) = loader
        assert torch.equal(batch["mask"], expected.mask)


def test_a_remote_store_keeps_few_streams_open():
    store = RemoteStore("memory://streams")
    for i in range(100):
        store.write(f"{i}", b"0123456789")
    assert [store.read_range(f"{i}", 3, 2) for i in range(100)] == [b"34"] * 100
    assert len(store._streams.__dict__) <= 8
    assert pickle.loads(pickle.dumps(store)).read_range("7", 9, 5) == b"9"


@pytest.mark.parametrize("address", ["memory://sizes", "local"])
def test_sizes_chunks_and_names(tmp_path, address):
    store = LocalStore(tmp_path) if address == "local" else RemoteStore(address)
    store.write("a/b", b"x" * 3_000_000)
    store.write(".evafast/hidden", b"")
    assert store.names() == ["a/b"]
    assert (store.size("a/b"), store.size("a"), store.size("c")) == (3_000_000, None, None)
    assert [len(c) for c in store.chunks("a/b", 1_500_000)] == [1 << 20, 1_500_000 - (1 << 20)]
    assert sum(map(len, store.chunks("a/b", 2_999_990, 100))) == 10


def test_an_unfinished_file_never_appears(tmp_path):
    store = LocalStore(tmp_path)
    with pytest.raises(TypeError), creating(store, "a/b") as file:
        file.write("neither half nor bytes")
    assert store.names() == []
    assert list((tmp_path / ".evafast").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space"), "no space left at"),
        (PermissionError("Access\nDenied"), "Access Denied at"),
        (TimeoutError(), "TimeoutError at"),
    ],
)
def test_errors_of_a_store_are_one_line(tmp_path, error, said):
    """Remote file systems raise OSErrors without a number, or without any text."""
    with pytest.raises(RunError, match=said) as raised, LocalStore(tmp_path).one_line_errors():
        raise error
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_a_manifest_comes_back_byte_for_byte(stored, tmp_path, layout):
    store = LocalStore(stored / layout)
    manifest = intact_manifest(store, MANIFEST)
    assert Manifest.from_json(manifest.to_json()) == manifest
    write_manifest(LocalStore(tmp_path), manifest)
    assert (tmp_path / MANIFEST).read_bytes() == store.read(MANIFEST)
    for damage in (b"", b"[]", b"null", b"\xff", store.read(MANIFEST) + b"\n"):
        (tmp_path / MANIFEST).write_bytes(damage)
        assert intact_manifest(LocalStore(tmp_path), MANIFEST) is None


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_positions_count_from_the_end_or_may_be_none(stored, layout):
    dataset = open_dataset(stored / layout)
    assert torch.equal(dataset[-1]["image"], dataset[len(dataset) - 1]["image"])
    for none in ([], slice(0, 0), np.empty(0, np.int64)):
        batch = dataset[none]
        assert batch.image.shape == (0, 3, 96, 96)
        assert batch.background.shape == (0, 3, 96, 96)
    with pytest.raises(IndexError):
        dataset[-len(dataset) - 1]


def test_an_image_of_another_size_is_named(stored, tmp_path):
    import shutil

    from PIL import Image

    shutil.copytree(stored / "folder", tmp_path / "set")
    name = next((tmp_path / "set" / "fg_bg_mask").rglob("*.png"))
    Image.new("L", (5, 5)).save(name)
    with pytest.raises(RunError, match=rf"{name.stem} mask: expected it .* got \(5, 5\) pixels"):
        open_dataset(tmp_path / "set")[:]


def test_missing_credentials_are_one_line(monkeypatch):
    class NoCredentialsError(Exception):
        pass

    def info(files, path):
        raise NoCredentialsError("Unable to locate\ncredentials")

    monkeypatch.setattr(MemoryFileSystem, "info", info)
    with pytest.raises(UsageError, match=r"out: cannot open 'memory://a': Unable to locate cred"):
        RemoteStore("memory://a")
