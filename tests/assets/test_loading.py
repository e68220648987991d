"""Assets: the preprocessing contract, on files that this test writes itself."""

import logging
import os
from dataclasses import replace

import numpy as np
import pytest
from pictures import cutout, photograph
from PIL import Image

from evafast import Bank, UsageError
from evafast.assets.decode import MAX_PIXELS
from evafast.assets.loading import AssetConfig, load_folders, natural_key

GOOD = AssetConfig(canvas=64, foreground_size=48, min_foreground=(8, 8))


@pytest.fixture
def pictures(tmp_path):
    """Folders with one good file each, to which a test adds others."""
    (tmp_path / "bg").mkdir()
    (tmp_path / "fg").mkdir()
    Image.fromarray(photograph(70, 1)).save(tmp_path / "bg" / "good.png")
    Image.fromarray(cutout(30, 40, 1)).save(tmp_path / "fg" / "good.png")
    return tmp_path


def load(pictures, config=GOOD):
    return load_folders(pictures / "bg", pictures / "fg", config)


def skipped(loaded):
    return {(s.kind, s.name): s.reason for s in loaded.skipped}


def test_backgrounds_are_resized_bicubic(folders):
    bank = Bank.from_folders(*folders, GOOD)
    assert bank.background_names == ("photo9.jpg", "photo10.png", "photo11.png")
    for i, name in enumerate(bank.background_names):
        image = Image.open(folders[0] / name).convert("RGB")
        expected = image.resize((64, 64), Image.Resampling.BICUBIC)
        assert np.array_equal(bank.backgrounds[i], np.asarray(expected))


def test_cutouts_are_cropped_shrunk_and_mirrored(folders):
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


def test_contents_decide_not_suffixes(pictures):
    Image.fromarray(photograph(50, 2)).save(pictures / "bg" / "photo.HEIC", "JPEG")
    Image.fromarray(photograph(50, 2)).save(pictures / "bg" / "PHOTO.JPG")
    (pictures / "bg" / "notes.png").write_text("no picture")
    loaded = load(pictures)
    assert loaded.bank.background_names == ("good.png", "photo.HEIC", "PHOTO.JPG")
    assert "not an image" in skipped(loaded)["background", "notes.png"]


def test_sixteen_bit_grey_is_scaled_not_clipped(pictures):
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(pictures / "bg" / "deep.png")
    bank = load(pictures).bank
    grey = bank.backgrounds[bank.background_names.index("deep.png")][..., 0]
    assert abs(grey.astype(int) - values / 257).max() <= 0.5


def test_orientation_and_profile_are_obeyed(pictures):
    from PIL import ImageCms

    upright = np.zeros((40, 64, 3), np.uint8)
    upright[:20] = (200, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.rot90(upright, 1).copy())
    lying.save(pictures / "bg" / "turned.png", exif=exif)
    bank = load(pictures).bank
    turned = bank.backgrounds[bank.background_names.index("turned.png")]
    assert turned[5, :, 0].min() > 190
    assert turned[-5, :, 0].max() < 10

    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(upright).save(pictures / "bg" / "odd.png", icc_profile=swapped)
    assert "odd.png" in load(pictures).bank.background_names


@pytest.mark.parametrize("mode", ["LA", "P", "GIF"])
def test_every_kind_of_transparency_is_read(pictures, mode):
    image = Image.fromarray(cutout(30, 40, 4))
    path = pictures / "fg" / f"kind.{'gif' if mode == 'GIF' else 'png'}"
    if mode == "LA":
        image.convert("LA").save(path)
    else:
        alpha = np.asarray(image.getchannel("A")) > 127
        flat = image.convert("RGB").quantize(200)
        indexed = np.asarray(flat).copy()
        indexed[~alpha] = 255
        paletted = Image.fromarray(indexed, "P")
        paletted.putpalette((flat.getpalette() + [0] * 768)[:768])
        if mode == "GIF":
            paletted.save(path, transparency=255, save_all=True, append_images=[paletted.copy()])
        else:
            paletted.save(path, transparency=255)
    loaded = load(pictures)
    assert ("foreground", path.name) not in skipped(loaded)
    which = loaded.bank.foreground_names.index(path.name)
    coverage = loaded.bank.foreground(which)[..., 3]
    assert coverage.min() == 0
    assert coverage.max() == 255


@pytest.mark.parametrize(
    ("name", "pixels", "reason"),
    [
        ("opaque.png", np.full((40, 40, 4), 255, np.uint8), "no transparency"),
        ("photo.png", photograph(40, 3), "no transparency"),
        ("nothing.png", np.zeros((40, 40, 4), np.uint8), "empty cut-out"),
        ("narrow.png", cutout(5, 40, 1), "too small"),
    ],
)
def test_unusable_cutouts_are_named_with_their_reason(pictures, caplog, name, pixels, reason):
    Image.fromarray(pixels).save(pictures / "fg" / name)
    with caplog.at_level(logging.WARNING):
        loaded = load(pictures)
    assert reason in skipped(loaded)["foreground", name]
    assert f"'{name}'" in caplog.text
    assert loaded.bank.foreground_names == ("good.png",)
    assert "1 cut-outs (1 skipped)" in loaded.summary()


def test_a_small_object_on_a_huge_canvas_keeps_its_size(pictures):
    canvas = np.zeros((600, 600, 4), np.uint8)
    canvas[520:550, 560:590] = (9, 9, 9, 255)
    Image.fromarray(canvas).save(pictures / "fg" / "corner.png")
    bank = load(pictures).bank
    which = bank.foreground_names.index("corner.png")
    assert tuple(bank.foreground_sizes[which]) == (30, 30)


def test_a_bomb_is_judged_by_its_header(pictures):
    import struct
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    for name, side in (("bomb.png", 10_000), ("bigger.png", 100_000)):
        assert side * side > MAX_PIXELS
        header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")
        (pictures / "bg" / name).write_bytes(data)
    reasons = skipped(load(pictures))
    assert reasons["background", "bomb.png"].startswith("too large: 10000x10000")
    assert reasons["background", "bigger.png"].startswith("too large")


def test_damaged_files_are_left_out(pictures):
    whole = pictures / "whole.jpg"
    Image.fromarray(photograph(90, 5)).save(whole)
    data = whole.read_bytes()
    (pictures / "bg" / "cut.jpg").write_bytes(data[: len(data) // 2])
    (pictures / "bg" / "none.jpg").write_bytes(b"")
    reasons = skipped(load(pictures))
    assert reasons["background", "cut.jpg"] == "truncated"
    assert reasons["background", "none.jpg"] == "empty file"


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
    loaded = load(pictures)
    assert loaded.bank.background_names == ("good.png",)
    assert skipped(loaded) == {
        ("background", "gone.png"): "gone, or a symbolic link to nothing",
        ("background", "loop.png"): "a symbolic link that leads to itself",
        ("background", "pipe.png"): "not a file",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads files without permission")
def test_unreadable_files_are_named(pictures):
    path = pictures / "bg" / "locked.png"
    Image.fromarray(photograph(50, 2)).save(path)
    path.chmod(0)
    assert skipped(load(pictures))["background", "locked.png"] == "permission denied"


def test_hostile_names_come_through_escaped(pictures, caplog):
    names = [b"two\nlines.png", b"caf\xe9.png", "été 🦊.png".encode()]
    for raw in names:
        with open(os.path.join(os.fsencode(pictures / "bg"), raw), "wb") as stream:
            Image.fromarray(photograph(5, 2)).save(stream, "PNG")
    with caplog.at_level(logging.WARNING):
        loaded = load(pictures)
    assert len(loaded.skipped) == 3
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        record.getMessage().encode("utf-8")
    assert "'two\\nlines.png'" in caplog.text
    assert "'caf\\udce9.png'" in caplog.text


def test_strict_makes_a_skip_an_error(pictures):
    (pictures / "bg" / "none.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"--strict.*'none\.jpg' skipped: empty file"):
        load(pictures, replace(GOOD, strict=True))


def test_too_few_pictures_are_an_error(pictures):
    (pictures / "bg" / "good.png").unlink()
    with pytest.raises(UsageError, match="backgrounds: expected at least 1 usable picture"):
        load(pictures)
    with pytest.raises(UsageError, match="which does not exist"):
        load_folders(pictures / "no", pictures / "fg")
    with pytest.raises(UsageError, match="got the file"):
        load_folders(pictures / "fg" / "good.png", pictures / "fg")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"canvas": 0}, "canvas: expected"),
        ({"foreground_size": 225}, "foreground size: expected 1 to 224"),
        ({"min_foreground": (0, 5)}, "min foreground: expected"),
        ({"min_foreground": (151, 5)}, "min foreground: expected"),
    ],
)
def test_bad_settings_are_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        AssetConfig(**changes)


def test_bank_refuses_what_it_cannot_pack():
    with pytest.raises(UsageError, match="foreground 0: expected uint8 of shape"):
        Bank.from_arrays([photograph(8, 0)], [photograph(8, 0)])
    with pytest.raises(UsageError, match="background 1: expected uint8 of shape"):
        Bank.from_arrays([photograph(8, 0), photograph(9, 0)], [cutout(4, 4, 0)])
    with pytest.raises(UsageError, match="at least 1 background and 1 foreground"):
        Bank.from_arrays([], [cutout(4, 4, 0)])
