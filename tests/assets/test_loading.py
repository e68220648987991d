"""Assets: what is loaded, how it is preprocessed, what is skipped."""

import json
import logging
import os
from dataclasses import replace

import numpy as np
import pytest
from pictures import cutout, photograph
from PIL import Image, ImageCms

from evafast import Bank, UsageError
from evafast.assets.loading import natural_key
from evafast.assets.preprocess import AssetConfig

SMALL = AssetConfig(canvas=64, foreground_size=48, min_foreground=(8, 8))


@pytest.fixture
def pictures(tmp_path):
    """Two folders with one good file each, to which tests add others."""
    (tmp_path / "bg").mkdir()
    (tmp_path / "fg").mkdir()
    Image.fromarray(photograph(70, 1)).save(tmp_path / "bg" / "good.png")
    Image.fromarray(cutout(30, 40, 1)).save(tmp_path / "fg" / "good.png")
    return tmp_path


def load(pictures, config=SMALL):
    return Bank.from_folders(pictures / "bg", pictures / "fg", config)


def skipped(bank):
    return {(s.kind, s.name): s.reason for s in bank.skipped}


def test_backgrounds_are_resized_bicubic(folders):
    bank = Bank.from_folders(*folders, SMALL)
    assert bank.background_names == ("photo9.jpg", "photo10.png", "photo11.png")
    for i, name in enumerate(bank.background_names):
        image = Image.open(folders[0] / name).convert("RGB")
        expected = image.resize((64, 64), Image.Resampling.BICUBIC)
        assert np.array_equal(bank.backgrounds[i], np.asarray(expected))


def test_foregrounds_are_cropped_shrunk_and_mirrored(folders):
    bank = Bank.from_folders(*folders)
    assert bank.foreground_names == ("thing 0.png", "thing 1.png")
    assert bank.foreground_count == 4
    for i, name in enumerate(bank.foreground_names):
        image = Image.open(folders[1] / name)
        image = image.crop(image.getchannel("A").getbbox())
        image.thumbnail((150, 150), Image.Resampling.LANCZOS)
        assert np.array_equal(bank.foreground(i), np.asarray(image))
        assert np.array_equal(bank.foreground(i + 2), np.asarray(image)[:, ::-1])
        assert bank.is_mirrored(i + 2)
        assert not bank.is_mirrored(i)
        assert bank.foreground_name(i + 2) == name


def test_order_is_natural_and_ignores_case():
    names = ["img10.png", "Img2.png", "img1.png", "IMG3.PNG", "été.png", "a.png", "7.png"]
    assert sorted(names, key=natural_key) == [
        "7.png", "a.png", "img1.png", "Img2.png", "IMG3.PNG", "img10.png", "été.png",
    ]  # fmt: skip


def test_sixteen_bit_gray_is_scaled_with_rounding(pictures):
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(pictures / "bg" / "deep.png")
    bank = load(pictures)
    gray = bank.backgrounds[bank.background_names.index("deep.png")][..., 0]
    assert abs(gray.astype(int) - values / 257).max() <= 0.5


def test_a_profile_that_does_not_fit_is_ignored_with_a_warning(pictures, caplog):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(photograph(50, 2)).save(pictures / "bg" / "odd.png", icc_profile=lab)
    with caplog.at_level(logging.WARNING):
        assert "odd.png" in load(pictures).background_names
    assert "'odd.png': colour profile could not be applied" in caplog.text


def test_a_foreground_below_the_minimum_is_skipped_with_a_warning(pictures, caplog):
    Image.fromarray(cutout(5, 40, 1)).save(pictures / "fg" / "narrow.png")
    with caplog.at_level(logging.WARNING):
        bank = load(pictures)
    reason = "too small: 5x40 after shrinking, expected 8x8"
    assert skipped(bank) == {("foreground", "narrow.png"): reason}
    assert f"foreground 'narrow.png' skipped: {reason}" in caplog.text
    assert bank.foreground_names == ("good.png",)
    assert bank.summary() == "1 backgrounds (0 skipped), 1 cut-outs (1 skipped) and their mirrors"


def test_a_small_object_on_a_large_canvas_is_not_shrunk(pictures):
    canvas = np.zeros((600, 600, 4), np.uint8)
    canvas[520:550, 560:590] = (9, 9, 9, 255)
    Image.fromarray(canvas).save(pictures / "fg" / "corner.png")
    bank = load(pictures)
    which = bank.foreground_names.index("corner.png")
    assert tuple(bank.foreground_sizes[which]) == (30, 30)


def test_folders_links_and_system_files(pictures):
    bg = pictures / "bg"
    (bg / "folder.png").mkdir()
    (bg / ".DS_Store").write_bytes(b"x")
    (bg / "Thumbs.db").write_bytes(b"x")
    (bg / "deeper").mkdir()
    Image.fromarray(photograph(50, 2)).save(bg / "deeper" / "nested.png")
    (bg / "loop").symlink_to(".")
    (bg / "loop.png").symlink_to("loop.png")
    (bg / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(bg / "pipe.png")
    bank = load(pictures)
    assert bank.background_names == ("good.png",)
    assert skipped(bank) == {
        ("background", "gone.png"): "missing, or a broken symbolic link",
        ("background", "loop.png"): "a symbolic link to itself",
        ("background", "pipe.png"): "not a file",
    }


def test_names_are_escaped_in_warnings(pictures, caplog):
    names = [b"two\nlines.png", b"caf\xe9.png", "été 🦊.png".encode()]
    for raw in names:
        with open(os.path.join(os.fsencode(pictures / "bg"), raw), "wb") as stream:
            Image.fromarray(photograph(5, 2)).save(stream, "PNG")
    with caplog.at_level(logging.WARNING):
        bank = load(pictures)
    assert len(bank.skipped) == 3
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        record.getMessage().encode("utf-8")
    assert "'two\\nlines.png'" in caplog.text
    assert "'caf\\udce9.png'" in caplog.text


def test_strict_makes_a_skipped_file_an_error(pictures):
    (pictures / "bg" / "none.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"--strict.*'none\.jpg' skipped: empty file"):
        load(pictures, replace(SMALL, strict=True))


def test_folders_without_usable_images_are_an_error(pictures):
    (pictures / "bg" / "good.png").unlink()
    with pytest.raises(UsageError, match="backgrounds: expected at least 1 usable image"):
        load(pictures)
    with pytest.raises(UsageError, match="which does not exist"):
        Bank.from_folders(pictures / "no", pictures / "fg")
    with pytest.raises(UsageError, match="which is a file; give its folder"):
        Bank.from_folders(pictures / "fg" / "good.png", pictures / "fg")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"canvas": 0}, "canvas: expected"),
        ({"foreground_size": 225}, "foreground size: expected 1 to 224"),
        ({"min_foreground": (0, 5)}, "min foreground: expected"),
        ({"min_foreground": (151, 5)}, "min foreground: expected"),
    ],
)
def test_settings_out_of_range_are_an_error(changes, message):
    with pytest.raises(UsageError, match=message):
        AssetConfig(**changes)


def test_arrays_that_cannot_be_packed_are_an_error():
    with pytest.raises(UsageError, match="foreground 0: expected uint8 of shape"):
        Bank.from_arrays([photograph(8, 0)], [photograph(8, 0)])
    with pytest.raises(UsageError, match="background 1: expected uint8 of shape"):
        Bank.from_arrays([photograph(8, 0), photograph(9, 0)], [cutout(4, 4, 0)])
    with pytest.raises(UsageError, match="at least 1 background and 1 foreground"):
        Bank.from_arrays([], [cutout(4, 4, 0)])


def test_config_survives_the_manifest():
    config = AssetConfig(canvas=64, foreground_size=48, min_foreground=(8, 9), strict=True)
    stored = json.loads(json.dumps(config.preprocessing()))
    assert list(stored) == ["canvas", "foreground_size", "min_foreground"]
    assert stored == config.preprocessing()
    assert AssetConfig.from_preprocessing(stored) == replace(config, strict=False)


def test_summary_of_a_bank_without_mirrors_or_skipped_files():
    bank = Bank.from_arrays([photograph(8, 0)], [cutout(4, 4, 0)] * 2, mirror=False)
    assert bank.summary() == "1 backgrounds (0 skipped), 2 cut-outs (0 skipped)"
    assert bank.background_names == ("bg001",)
    assert bank.foreground_names == ("fg001", "fg002")


def test_builtin_pack():
    bank = Bank.builtin()
    assert bank.summary() == (
        "100 backgrounds (0 skipped), 100 cut-outs (0 skipped) and their mirrors"
    )
