"""Regressions: each of these once went wrong."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
import torch
from commands import rows, run, tree
from pictures import cutout, photograph
from PIL import Image
from torch.utils.data import DataLoader

from evafast import Bank, Pipeline, Recipe, RunError, UsageError, open_dataset
from evafast.inspect import main as inspect
from evafast.writing import sink as sink_module


@pytest.fixture(scope="module")
def stored(folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    for layout in ("webdataset", "folder", "zip"):
        assert run(folders, root / layout, "--layout", layout) == 0
    return root


class Died(BaseException):
    """Ends a run as a kill would, from inside."""


def begun(folders, out, layout, monkeypatch, shards=2):
    """Begin a run that dies after some shards are recorded."""
    from evafast.writing.run import Run

    real, left = Run.record, [shards]

    def record(self, *arguments):
        real(self, *arguments)
        left[0] -= 1
        if not left[0]:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", record)
        with pytest.raises(Died):
            run(folders, out, "--layout", layout)


@pytest.mark.parametrize("layout", ["webdataset", "zip"])
def test_workers_do_not_share_file_positions_with_their_parent(stored, layout):
    dataset = open_dataset(stored / layout)
    expected = dataset[:]
    for _ in range(3):
        loader = DataLoader(dataset, batch_size=1, num_workers=4)
        got = torch.cat([batch["image"] for batch in loader])
        assert torch.equal(got, expected.image)


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_resume_regenerates_what_is_recorded_but_gone(
    folders, stored, tmp_path, monkeypatch, layout
):
    out = tmp_path / "set"
    begun(folders, out, layout, monkeypatch)
    gone = {
        "webdataset": "shards/shard-000000.tar",
        "zip": ".evafast/segments/fg_bg_mask-000001",
        "folder": next(p for p in (out / "fg_bg").rglob("*.jpg")) if layout == "folder" else None,
    }[layout]
    (out / gone).unlink()
    (out / ".evafast" / "journal" / "000001.json").write_text("")
    assert run(folders, out, "--layout", layout) == 0
    assert tree(out) == tree(stored / layout)


def test_resume_does_not_vouch_for_assets_it_did_not_write(folders, stored, tmp_path, monkeypatch):
    out = tmp_path / "set"
    begun(folders, out, "webdataset", monkeypatch)
    shutil.copy(out / "bg" / "bg002.png", out / "bg" / "bg001.png")
    assert run(folders, out) == 0
    assert tree(out) == tree(stored / "webdataset")


def test_a_damaged_plan_is_one_line(folders, tmp_path, monkeypatch, capsys):
    out = tmp_path / "set"
    begun(folders, out, "webdataset", monkeypatch)
    (out / ".evafast" / "plan.json").write_text("{")
    assert run(folders, out) == 2
    assert "is damaged, so the run cannot resume" in capsys.readouterr().err


def test_a_lost_manifest_is_restored_from_its_copy(folders, stored, tmp_path, capsys):
    out = tmp_path / "set"
    shutil.copytree(stored / "webdataset", out)
    (out / "manifest.json").unlink()
    assert run(folders, out) == 2
    assert "inspect repair" in capsys.readouterr().err
    assert inspect(["verify", str(out), "--quiet"]) == 1
    assert "missing 'manifest.json'" in capsys.readouterr().out
    assert inspect(["repair", str(out), "--quiet"]) == 0
    assert tree(out) == tree(stored / "webdataset")


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_repair_never_writes_other_bytes_over_intact_files(
    stored, tmp_path, monkeypatch, capsys, layout
):
    """If a shard comes out different (as depth may elsewhere), nothing is replaced."""
    from evafast.dataset.codec import Codec

    out = tmp_path / "set"
    shutil.copytree(stored / layout, out)
    victim = {
        "webdataset": "shards/shard-000001.tar",
        "zip": "fg_bg_mask.zip",
        "folder": next((n for n in tree(out) if n.startswith("fg_bg_mask/")), ""),
    }[layout]
    data = bytearray((out / victim).read_bytes())
    data[len(data) // 3] ^= 1
    (out / victim).write_bytes(data)
    before = tree(out)
    real = Codec.encode_masks
    monkeypatch.setattr(Codec, "encode_masks", lambda self, masks: real(self, masks ^ 1))
    assert inspect(["repair", str(out), "--quiet"]) == 1
    assert "got other bytes" in capsys.readouterr().err
    after = {n: d for n, d in tree(out).items() if not n.startswith(".evafast/part-")}
    assert {n: d for n, d in after.items() if n in before} == before


def test_an_error_in_the_writer_never_leaves_the_pipeline_waiting(
    folders, tmp_path, monkeypatch, capsys
):
    """More batches than buffers, an append that fails at once: the run must end, not hang."""
    import errno
    import signal

    def full(self, packed):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evafast.dataset.formats.webdataset._Tar.append", full)
    monkeypatch.setattr(sink_module, "SLICE", 1)
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("the run hangs"))
    signal.alarm(60)
    try:
        for workers in ("1", "4"):
            out = tmp_path / workers
            assert run(folders, out, "--batch-size", "2", "--workers", workers) == 1
            assert "no space left" in capsys.readouterr().err
    finally:
        signal.alarm(0)


def test_a_linked_folder_inside_out_is_unexpected(folders, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bg001.png").write_bytes(b"mine")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "bg").symlink_to("../photos")
    assert run(folders, tmp_path / "set") == 2
    assert "first 'bg'" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["bg001.png"]
    assert sorted(os.listdir(tmp_path / "set")) == ["bg"]


def test_a_manifest_of_something_else_is_unexpected(folders, tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert run(folders, tmp_path) == 2
    assert "first 'manifest.json'" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_odd_names_come_back_from_samples_csv(folders, tmp_path):
    pictures = tmp_path / "bg"
    pictures.mkdir()
    names = ["c\rd.jpg", 'a\nb, "q".jpg', "plain.jpg", "x\r\ny.jpg"]
    for i, name in enumerate(names):
        Image.fromarray(photograph(80, i)).save(pictures / name)
    assert run((pictures, folders[1]), tmp_path / "set") == 0
    listed = rows(tmp_path / "set")
    assert {row["background"] for row in listed} == set(names)
    assert len(listed) == 4 * 4 * 2
    with open(tmp_path / "set" / "samples.csv", newline="", encoding="utf-8") as stream:
        assert {len(row) for row in csv.reader(stream)} == {9}


def test_errors_stay_one_line_whatever_names_hold(folders, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, name in ((first, "a\nb.jpg"), (second, "plain.jpg")):
        folder.mkdir()
        Image.fromarray(photograph(80, 1)).save(folder / name)
    assert run((first, folders[1]), tmp_path / "set") == 0
    capsys.readouterr()
    assert run((second, folders[1]), tmp_path / "set") == 2
    assert "expected plain.jpg, got a\\nb.jpg" in capsys.readouterr().err
    assert run(folders, tmp_path / "other", "x\ny") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["preview", "{}", "--sheet", "0"], 2, "sheet: expected at least 1"),
        (["preview", "{}", "--out", "no/such/folder/p"], 2, "cannot write"),
        (["verify", "{}", "--recomposite", "-5"], 2, "expected at least 0"),
    ],
)
def test_inspect_refuses_bad_options(stored, capsys, arguments, code, said):
    filled = [a.format(stored / "zip") for a in arguments]
    assert inspect([*filled, "--quiet"]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("lost", ["bg/bg001.png", "fg_bg.zip"])
def test_a_lost_file_is_one_line_for_stats_and_reader(stored, tmp_path, lost, capsys):
    out = tmp_path / "set"
    shutil.copytree(stored / "zip", out)
    whole = (out / lost).read_bytes()
    (out / lost).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError):
        _ = open_dataset(out)[:].background
    assert inspect(["stats", str(out), "--quiet"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_indices_are_integers_everywhere(bank, stored):
    pipeline = Pipeline(bank, Recipe.for_bank(bank))
    dataset = open_dataset(stored / "folder")
    for wrong in ([1.7, 2.2], np.array([True, False]), "3"):
        with pytest.raises(IndexError, match="integers, got"):
            list(pipeline.batches(wrong))
        with pytest.raises(IndexError, match="integers, got"):
            _ = dataset[wrong]
    assert dataset.recipe.order[-1] == dataset.recipe.order[[23]]
    assert len(dataset[[]]) == 0


def test_streams_differ_by_epoch_with_workers_too(stored):
    dataset = open_dataset(stored / "webdataset")
    stream = dataset.stream(8)
    for persistent in (False, True):
        loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=persistent)
        orders = []
        for epoch in range(2):
            stream.set_epoch(epoch)
            orders.append([b.index.tolist() for b in loader])
        assert orders[0] != orders[1], persistent
    with pytest.raises(UsageError, match="world size: expected at most 24"):
        dataset.stream(world_size=1000)
    with pytest.raises(UsageError, match="seed: expected 0 to"):
        dataset.stream(seed=-1)


def test_bank_names_are_as_many_as_pictures():
    with pytest.raises(UsageError, match="background names: expected 1"):
        Bank.from_arrays([photograph(8, 0)], [cutout(4, 4, 0)], background_names=["a", "b"])


def test_manifest_has_no_files_of_others(folders, stored, tmp_path, monkeypatch):
    out = tmp_path / "set"
    begun(folders, out, "webdataset", monkeypatch)
    (out / "shards" / "notes.txt").write_text("mine")
    assert run(folders, out) == 0
    assert "shards/notes.txt" not in json.loads((out / "manifest.json").read_text())["files"]
    (out / "shards" / "notes.txt").unlink()
    assert tree(out) == tree(stored / "webdataset")
