"""Inspecting a dataset: statistics, previews, and that damage is found and repaired."""

import json
import random
import shutil

import numpy as np
import pytest
from commands import LAYOUTS, run, tree
from PIL import Image

from evafast.inspect import main as inspect


def flip(path, at=0.5):
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stats_are_those_of_the_decoded_files(stored, layout, capsys):
    assert inspect(["stats", str(stored / layout), "--json", "--quiet"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert list(table) == ["bg", "fg", "fg_bg", "fg_bg_mask"]
    files = sorted((stored / "folder" / "fg_bg").rglob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(f)) for f in files]).reshape(-1, 3) / 255
    assert table["fg_bg"]["images"] == 24
    assert table["fg_bg"]["dimension"] == "96x96x3"
    assert np.allclose(table["fg_bg"]["mean"], pixels.mean(axis=0), atol=2e-3)
    assert np.allclose(table["fg_bg"]["pixel_std"], pixels.std(axis=0), atol=2e-3)
    assert inspect(["stats", str(stored / layout), "--quiet"]) == 0
    assert "fg_bg_mask" in capsys.readouterr().out


def test_preview_draws_a_sheet_and_a_page(stored, tmp_path, capsys):
    prefix = tmp_path / "look"
    assert inspect(["preview", str(stored / "zip"), "--out", str(prefix), "--sheet", "5"]) == 0
    sheet = np.asarray(Image.open(f"{prefix}.png"))
    assert sheet.ndim == 3
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 500, "pictures are on it"
    page = prefix.with_suffix(".html").read_text()
    assert page.count("data:image/jpeg;base64,") == 24 * 3
    assert 'src="http' not in page
    assert "{{" not in page
    assert inspect(["preview", str(stored / "zip"), "--out", str(prefix)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_intact_dataset_passes(stored, layout, capsys):
    before = tree(stored / layout)
    assert inspect(["verify", str(stored / layout), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("intact: ")
    assert inspect(["repair", str(stored / layout), "--quiet"]) == 0
    assert tree(stored / layout) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_flipped_byte_in_any_file_is_found_and_repaired(
    stored, folders, tmp_path, layout, capsys
):
    """Every file of a small set in turn, at a random byte."""
    out = tmp_path / "set"
    shutil.copytree(stored / layout, out)
    before = tree(out)
    dice = random.Random(layout)
    names = sorted(before)
    crowd = [n for n in names if n.startswith(("fg_bg/", "fg_bg_mask/"))]
    for name in [n for n in names if n not in crowd] + dice.sample(crowd, min(4, len(crowd))):
        flip(out / name, dice.random())
        assert inspect(["verify", str(out), "--quiet", "--no-decode", "--recomposite", "0"]) == 1
        assert f"damaged '{name}'" in capsys.readouterr().out, name
        originals = ["--backgrounds", str(folders[0]), "--foregrounds", str(folders[1])]
        assert inspect(["repair", str(out), "--quiet", *originals]) == 0, name
        assert tree(out) == before, name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_and_unexpected_files_are_told_apart(stored, tmp_path, layout, capsys):
    out = tmp_path / "set"
    shutil.copytree(stored / layout, out)
    before = tree(out)
    lost = next(n for n in before if n.startswith(("shards/shard-000002", "fg_bg.zip", "fg_bg/")))
    (out / lost).unlink()
    (out / "notes.txt").write_text("mine")
    assert inspect(["verify", str(out), "--quiet"]) == 1
    printed = capsys.readouterr().out
    assert f"missing '{lost}'" in printed
    assert "unexpected 'notes.txt'" in printed
    assert inspect(["repair", str(out), "--quiet"]) == 0
    (out / "notes.txt").unlink()
    assert tree(out) == before


def test_a_sample_that_is_not_what_the_recipe_makes_is_found(stored, tmp_path, capsys):
    """Hashes agree with the manifest; only regenerating the samples shows the difference."""
    import hashlib
    from dataclasses import replace

    from evafast.dataset.manifest import read_manifest, write_manifest
    from evafast.dataset.store import open_store

    out = tmp_path / "set"
    shutil.copytree(stored / "folder", out)
    manifest = read_manifest(open_store(out))
    shard = manifest.shards[0]
    listing = out / shard.files[0].file
    line = next(x for x in listing.read_text().splitlines() if "fg_bg_mask/" in x)
    digest, name = line.split("  ")
    Image.new("L", (96, 96)).save(out / name)
    forged = hashlib.sha256((out / name).read_bytes()).hexdigest()
    listing.write_text(listing.read_text().replace(digest, forged))
    forged = replace(shard.files[0], sha256=hashlib.sha256(listing.read_bytes()).hexdigest())
    shards = (replace(shard, files=(forged,)), *manifest.shards[1:])
    write_manifest(open_store(out), replace(manifest, shards=shards))
    assert inspect(["verify", str(out), "--quiet"]) == 1
    assert f"mismatch '{name.split('/')[-1][:-4]}'" in capsys.readouterr().out


def test_an_unfinished_or_absent_set_is_refused(tmp_path, capsys):
    for action in ("stats", "preview", "verify", "repair"):
        assert inspect([action, str(tmp_path)]) == 2
        assert "without manifest.json" in capsys.readouterr().err


def test_a_lost_asset_without_its_original_is_named(stored, tmp_path, capsys):
    out = tmp_path / "set"
    shutil.copytree(stored / "folder", out)
    (out / "bg" / "bg002.png").unlink()
    assert inspect(["repair", str(out), "--quiet"]) == 2
    assert "--backgrounds and --foregrounds" in capsys.readouterr().err


def test_a_lost_manifest_with_a_damaged_copy_is_named(stored, tmp_path, capsys):
    out = tmp_path / "set"
    shutil.copytree(stored / "folder", out)
    (out / "manifest.json").unlink()
    flip(out / ".evafast" / "manifest.json")
    assert inspect(["verify", str(out), "--quiet"]) == 1
    printed = capsys.readouterr().out
    assert "missing 'manifest.json'" in printed
    assert "damaged '.evafast/manifest.json'" in printed
    assert inspect(["repair", str(out), "--quiet"]) == 2
    assert "expected manifest.json or its copy" in capsys.readouterr().err


def test_a_checksum_list_that_is_not_text_is_repaired(stored, tmp_path, capsys):
    out = tmp_path / "set"
    shutil.copytree(stored / "folder", out)
    before = tree(out)
    listing = out / "checksums" / "part-000000.sha256"
    listing.write_bytes(b"\xff" + listing.read_bytes()[1:])
    assert inspect(["verify", str(out), "--quiet"]) == 1
    assert "damaged 'checksums/part-000000.sha256'" in capsys.readouterr().out
    assert inspect(["repair", str(out), "--quiet"]) == 0
    assert tree(out) == before


def test_repair_leaves_assets_alone_that_another_encoder_would_write_differently(
    stored, tmp_path, monkeypatch
):
    """OpenCV's PNG bytes differ between versions; the pixels are intact."""
    from evafast.writing import run as run_module

    out = tmp_path / "set"
    shutil.copytree(stored / "webdataset", out)
    before = tree(out)
    (out / "samples.csv").unlink()
    monkeypatch.setattr(run_module, "encode_asset", lambda pixels: b"other bytes")
    assert inspect(["repair", str(out), "--quiet"]) == 0
    assert tree(out) == before


def test_a_limited_dataset_ends_at_its_limit(folders, tmp_path, capsys):
    """The recipe goes on after the last stored sample."""
    out = tmp_path / "set"
    assert run(folders, out, "--limit", "10") == 0
    assert inspect(["stats", str(out), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["fg_bg"]["images"] == 10
    assert inspect(["verify", str(out), "--quiet"]) == 0
