"""The command, end to end on small folders: bytes, layouts, resume, refusals."""

import hashlib
import json
import tarfile
import zipfile

import numpy as np
import pytest
from commands import rows, run, tree
from PIL import Image

from evafast.generate import main


def test_every_sample_equals_pillows_paste_from_what_was_exported(folders, tmp_path):
    out = tmp_path / "set"
    assert run(folders, out, "--layout", "folder", "--image-format", "png") == 0
    listed = rows(out)
    assert len(listed) == 3 * 4 * 2
    files = {"photo9.jpg", "photo10.png", "photo11.png"}
    assert {row["background"] for row in listed} == files
    for row in listed:
        bg, fg, _ = row["name"].split("_")
        image = Image.open(out / "bg" / f"{bg}.png")
        piece = Image.open(out / "fg" / f"{fg}.png")
        assert piece.size == (int(row["width"]), int(row["height"]))
        assert (int(fg[2:]) > 2) == (row["mirrored"] == "1")
        corner = int(row["left"]), int(row["top"])
        matte = Image.new("L", image.size)
        matte.paste(piece.getchannel("A"), corner)
        image.paste(piece, corner, piece)
        made = Image.open(out / "fg_bg" / bg / f"{row['name']}.png")
        mask = Image.open(out / "fg_bg_mask" / bg / f"{row['name']}.png")
        assert np.array_equal(np.asarray(made), np.asarray(image))
        assert np.array_equal(np.asarray(mask), np.asarray(matte))


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_bytes_depend_on_nothing_but_the_plan(folders, tmp_path, layout):
    first = tmp_path / "first"
    assert run(folders, first, "--layout", layout) == 0
    for i, change in enumerate(
        (["--batch-size", "3"], ["--workers", "5"], ["--backend", "pillow"], ["--quiet"])
    ):
        other = tmp_path / f"other{i}"
        assert run(folders, other, "--layout", layout, *change) == 0
        assert tree(other) == tree(first), change
    seeded = tmp_path / "seeded"
    assert run(folders, seeded, "--layout", layout, "--seed", "1") == 0
    changed = {name for name, digest in tree(seeded).items() if tree(first).get(name) != digest}
    assert "samples.csv" in changed
    assert any(name.startswith(("shards/", "fg_bg")) for name in changed)


def test_shards_are_read_by_tarfile_and_webdataset(folders, tmp_path):
    wds = pytest.importorskip("webdataset")
    out = tmp_path / "set"
    assert run(folders, out) == 0
    listed = rows(out)
    names = []
    shards = sorted((out / "shards").glob("*.tar"))
    assert [s.name for s in shards] == [f"shard-{i:06d}.tar" for i in range(4)]
    for shard in shards:
        with tarfile.open(shard) as archive:
            members = archive.getmembers()
            assert {m.mtime for m in members} == {0}
            assert {(m.uid, m.gid, m.mode) for m in members} == {(0, 0, 0o644)}
            names += [m.name for m in members]
    expected = [f"{row['name']}.{s}" for row in listed for s in ("jpg", "mask.png", "json")]
    assert names == expected

    read = list(wds.WebDataset([str(s) for s in shards], shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in read] == [row["name"] for row in listed]
    for sample, row in zip(read, listed, strict=True):
        assert sample["jpg"].shape == (96, 96, 3)
        assert sample["mask.png"].shape[:2] == (96, 96)
        assert sample["json"]["left"] == int(row["left"])
        assert sample["json"]["background"] == row["background"]
        assert sample["mask.png"].max() == 255
    index = json.loads((out / "shards" / "index.json").read_text())
    assert index["wids_version"] == 1
    assert [s["nsamples"] for s in index["shardlist"]] == [7, 7, 7, 3]
    for shard, entry in zip(shards, index["shardlist"], strict=True):
        assert entry["url"] == shard.name
        assert entry["filesize"] == shard.stat().st_size


def test_zips_are_whole_and_hold_what_the_folders_hold(folders, tmp_path):
    assert run(folders, tmp_path / "zip", "--layout", "zip") == 0
    assert run(folders, tmp_path / "folder", "--layout", "folder") == 0
    for name in ("fg_bg", "fg_bg_mask"):
        with zipfile.ZipFile(tmp_path / "zip" / f"{name}.zip") as archive:
            assert archive.testzip() is None
            inside = {info.filename: archive.read(info) for info in archive.infolist()}
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        root = tmp_path / "folder" / name
        beside = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.*")}
        assert inside == beside
        assert len(inside) == 24


def test_manifest_records_the_whole_run(folders, tmp_path):
    out = tmp_path / "set"
    assert run(folders, out, "--limit", "10", "--seed", "3") == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["samples"] == 10
    assert manifest["samples_in_recipe"] == 24
    assert manifest["seed"] == 3
    assert manifest["depth"] is None
    assert manifest["mask"] == "matte"
    assert [part["count"] for part in manifest["parts"]] == [7, 3]
    for part in manifest["parts"]:
        piece = part["pieces"][0]
        data = (out / piece["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == piece["sha256"]
        assert len(data) == piece["size"]
    pixels = np.asarray(Image.open(out / "bg" / "bg001.png"))
    assert manifest["backgrounds"][0]["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert manifest["statistics"]["fg_bg"]["images"] == 10
    assert [p.name for p in (out / ".evafast").iterdir()] == ["manifest.json"]


def test_statistics_are_those_of_the_pixels(folders, tmp_path):
    out = tmp_path / "set"
    assert run(folders, out, "--layout", "folder", "--image-format", "png") == 0
    statistics = json.loads((out / "manifest.json").read_text())["statistics"]
    for name in ("bg", "fg_bg", "fg_bg_mask"):
        files = sorted((out / name).rglob("*.png"))
        pixels = np.stack([np.asarray(Image.open(f)) for f in files]) / 255
        pixels = pixels.reshape(-1, pixels.shape[3] if pixels.ndim == 4 else 1)
        assert statistics[name]["images"] == len(files)
        assert np.allclose(statistics[name]["mean"], pixels.mean(axis=0), atol=1e-9)
        assert np.allclose(statistics[name]["pixel_std"], pixels.std(axis=0), atol=1e-9)


def test_the_same_command_again_changes_nothing(folders, tmp_path, capsys):
    out = tmp_path / "set"
    assert run(folders, out) == 0
    before = tree(out)
    assert run(folders, out) == 0
    assert "already complete" in capsys.readouterr().err
    assert tree(out) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--seed", "1"], "seed: expected 1, got 0"),
        (["--quality", "80"], "quality: expected 80, got 90"),
        (["--layout", "zip"], "layout: expected zip, got webdataset"),
        (["--canvas", "100"], "canvas: expected 100, got 96"),
    ],
)
def test_another_run_in_the_same_place_is_refused(folders, tmp_path, capsys, change, said):
    out = tmp_path / "set"
    assert run(folders, out) == 0
    before = tree(out)
    assert run(folders, out, *change) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: out: ")
    assert said in error
    assert tree(out) == before


def test_changed_assets_are_named(folders, tmp_path, capsys):
    import shutil

    pictures = tmp_path / "bg"
    shutil.copytree(folders[0], pictures)
    out = tmp_path / "set"
    assert run((pictures, folders[1]), out) == 0
    Image.new("RGB", (80, 80), "red").save(pictures / "photo10.png")
    assert run((pictures, folders[1]), out) == 2
    assert "backgrounds[1].sha256: expected " in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_alone(folders, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("all my work")
    assert run(folders, tmp_path) == 2
    assert "'thesis.txt'; choose another --out" in capsys.readouterr().err
    assert tree(tmp_path).keys() == {"thesis.txt"}
    assert run(folders, tmp_path / "thesis.txt") == 2
    assert "expected a folder, got" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--placements", "0"], "placements: expected at least 1, got 0"),
        (["--seed", "-1"], "seed: expected 0 to"),
        (["--limit", "0"], "limit: expected at least 1"),
        (["--layout", "parquet"], "layout: expected webdataset, folder, zip, got 'parquet'"),
        (["--quality", "101"], "quality: expected 1 to 100"),
        (["--backend", "cupy"], "backend: "),
        (["--backend", "opengl"], "backend: expected auto"),
        (["--device", "cuda:7"], "device: expected cuda:7"),
        (["--min-foreground", "5"], "expected WIDTHxHEIGHT"),
        (["--depth", "no/such/file.h5"], "no/such/file.h5"),
        (["--out", "nonsense://x"], "out: cannot open"),
        (["--backgrounds", "/no/such/folder"], "which does not exist"),
        (["--nonsense"], "Unrecognized options: --nonsense"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(folders, tmp_path, capsys, arguments, said):
    out = tmp_path / "set"
    try:
        code = run(folders, out, *arguments)
    except SystemExit as leave:
        code = leave.code
    assert code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    assert said in lines[-1]
    assert not out.exists()


def test_one_folder_alone_is_refused(folders, capsys):
    assert main(["--backgrounds", str(folders[0])]) == 2
    assert "expected both folders or neither" in capsys.readouterr().err


def test_memory_address(folders, tmp_path):
    """An object store through fsspec holds the same bytes as a folder."""
    import fsspec

    files = fsspec.filesystem("memory")
    for layout in ("webdataset", "folder", "zip"):
        assert run(folders, tmp_path / layout, "--layout", layout) == 0
        assert run(folders, f"memory://sets/{layout}", "--layout", layout) == 0
        remote = {
            path.removeprefix(f"/sets/{layout}/"): hashlib.sha256(files.cat_file(path)).hexdigest()
            for path in files.find(f"/sets/{layout}")
        }
        assert remote == tree(tmp_path / layout)
        assert run(folders, f"memory://sets/{layout}", "--layout", layout) == 0
        assert run(folders, f"memory://sets/{layout}", "--layout", layout, "--seed", "5") == 2
