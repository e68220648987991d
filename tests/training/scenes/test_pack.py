"""The installed pack: complete, without metadata, and usable after preprocessing."""

import shutil

import numpy as np
import pytest
from PIL import Image

from evafast import Bank
from evafast.builtin import pack_folders
from evafast.errors import RunError, UsageError
from training.scenes import pack
from training.scenes.__main__ import main


@pytest.fixture(scope="module")
def folder():
    with pack_folders() as (backgrounds, _):
        yield backgrounds.parent


def test_the_stored_bytes_are_the_recorded_ones(capsys):
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "200 files as recorded\n"


def test_verify_finds_a_changed_byte_a_missing_and_an_unexpected_file(folder, tmp_path):
    copy = tmp_path / "pack"
    copy.mkdir()
    shutil.copy(folder / pack.SUMS, copy)
    for sub in ("backgrounds", "foregrounds"):
        shutil.copytree(folder / sub, copy / sub)
    victim = copy / "backgrounds" / pack.items()[3].name
    good = victim.read_bytes()
    victim.write_bytes(good[:500] + bytes([good[500] ^ 1]) + good[501:])
    with pytest.raises(RunError, match=f"{victim.name}.*expected SHA-256"):
        pack.verify(copy)
    victim.unlink()
    with pytest.raises(RunError, match=f"{victim.name}.*got none"):
        pack.verify(copy)
    victim.write_bytes(good)
    (copy / "foregrounds" / "more.webp").write_bytes(b"")
    with pytest.raises(RunError, match=r"more\.webp.*got an unexpected one"):
        pack.verify(copy)


def test_names_sort_in_the_order_of_the_list(folder):
    for sub in ("backgrounds", "foregrounds"):
        listed = [item.name for item in pack.items() if item.folder == sub]
        assert len(listed) == 100
        assert sorted(p.name for p in (folder / sub).iterdir()) == listed


def test_the_pack_is_small_and_carries_no_metadata(folder):
    files = [p for sub in ("backgrounds", "foregrounds") for p in (folder / sub).iterdir()]
    assert sum(p.stat().st_size for p in files) <= 8 * 2**20
    for path in files:
        with Image.open(path) as image:
            assert not image.getexif()
            assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys()
            assert image.mode == ("RGB" if path.suffix == ".jpg" else "RGBA")
            assert max(image.size) > (224 if path.suffix == ".jpg" else 150)


def test_every_image_survives_preprocessing_and_no_two_are_alike():
    bank = Bank.builtin()
    assert bank.background_count == 100
    assert bank.foreground_count == 200
    assert bank.skipped == ()
    small = bank.backgrounds[:, ::16, ::16].reshape(100, -1).astype(int)
    gap = np.abs(small[:, None] - small[None]).mean(-1) + 255 * np.eye(100)
    assert gap.min() > 8, "two backgrounds look the same"


def test_foregrounds_have_soft_edges_and_some_are_glass(folder):
    soft, glass = 0, 0
    for path in sorted((folder / "foregrounds").iterdir()):
        with Image.open(path) as image:
            alpha = np.asarray(image)[..., 3]
        between = (alpha > 8) & (alpha < 247)
        soft += between.any()
        glass += between.mean() > 0.25
        assert alpha.max() > 200
        assert alpha[0].any(), "cropped to what is visible"
        assert alpha[:, -1].any(), "cropped to what is visible"
    assert soft == 100
    assert glass >= 3


def test_make_refuses_a_folder_that_is_not_empty(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["make", str(tmp_path)]) == 2
    assert "new or empty folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("name", "value"), [("quality", 0), ("background_side", 63)])
def test_config_refuses(name, value):
    with pytest.raises(UsageError, match=f"{name}: expected .*got {value}"):
        pack.PackConfig(**{name: value})
