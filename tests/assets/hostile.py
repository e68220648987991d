"""Awkward files of the kind that people have in their folders, and what evafast makes of each."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pictures import cutout, photograph
from PIL import Image, ImageCms, features

Write = Callable[[Path], object]

PHOTO = Image.fromarray(photograph(240, 1)).crop((0, 0, 240, 160))
CUTOUT = Image.fromarray(photograph(110, 2)).crop((0, 0, 110, 90))
CUTOUT.putalpha(Image.fromarray(cutout(110, 90, 2)[..., 3]))
LATER = [CUTOUT.rotate(180), CUTOUT.rotate(90)]  # frames after the first

LOADED = "loaded"
IGNORED = "ignored"  # without a warning
OPAQUE = "no transparency"


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes
    ----------
    name : str
        Path in its folder.
    write : callable
        Writes the file to the path that it is given.
    background, foreground : str
        `LOADED`, `IGNORED`, or how the reason for skipping it begins.
    shows : PIL.Image.Image, optional
        The image in it, up to the losses of its format; RGBA if it has transparency.
    note : str
        Warning about a file that loads.
    """

    name: str
    write: Write
    background: str
    foreground: str
    shows: Image.Image | None = None
    note: str = ""


def opaque(name: str, write: Write, shows: Image.Image = PHOTO, note: str = "") -> Case:
    """Return the case of an image without transparency: usable as a background only."""
    return Case(name, write, LOADED, OPAQUE, shows, note)


def transparent(name: str, write: Write, shows: Image.Image = CUTOUT, note: str = "") -> Case:
    """Return the case of an image with transparency: a background is flattened onto white."""
    return Case(name, write, LOADED, LOADED, shows, note)


def unusable(name: str, write: Write, background: str, foreground: str = "") -> Case:
    """Return the case of a file that is skipped, for one reason unless two are given."""
    return Case(name, write, background, foreground or background)


def save(image: Image.Image, kind: str, **options: object) -> Write:
    """Return a writer of an image in one format, whatever the suffix of the path."""
    return lambda path: image.save(path, kind, **options)


def put(make: Callable[[], bytes]) -> Write:
    """Return a writer of bytes that are made when they are needed."""
    return lambda path: path.write_bytes(make())


def cut_off(image: Image.Image, kind: str) -> bytes:
    """Return the first 55 % of a file."""
    stream = BytesIO()
    image.save(stream, kind)
    return stream.getvalue()[: len(stream.getvalue()) * 55 // 100]


def rows(pixels: np.ndarray) -> bytes:
    """Return rows as PNG stores them: big-endian, each after filter byte 0."""
    lines = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(len(pixels), -1).view(np.uint8)
    return np.insert(lines, 0, 0, axis=1).tobytes()


def rgba_png(width: int, height: int, bits: int, stream: bytes | None) -> bytes:
    """Return an RGBA PNG around a zlib stream, without an IDAT chunk if that is None."""
    header = struct.pack(">IIBBBBB", width, height, bits, 6, 0, 0, 0)
    data = [] if stream is None else [(b"IDAT", stream)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in [(b"IHDR", header), *data, (b"IEND", b"")]
    )


def sixteen_bits() -> bytes:
    """Return CUTOUT with 16 bits per channel."""
    stream = zlib.compress(rows(np.asarray(CUTOUT).astype(np.uint16) * 257))
    return rgba_png(*CUTOUT.size, 16, stream)


def bad_crc() -> bytes:
    """Return CUTOUT with intact pixels but a wrong CRC after them."""
    data = bytearray(rgba_png(*CUTOUT.size, 8, zlib.compress(rows(np.asarray(CUTOUT)))))
    data[-13] ^= 0xFF  # the 12 bytes of IEND come last
    return bytes(data)


def corrupt_data() -> bytes:
    """Return CUTOUT with 64 bytes of its pixels overwritten, where one row ends and one begins."""
    pixels, row = bytearray(rows(np.asarray(CUTOUT))), 1 + 4 * CUTOUT.width
    pixels[50 * row - 32 : 50 * row + 32] = b"\xff" * 64
    return rgba_png(*CUTOUT.size, 8, zlib.compress(pixels))


def bomb() -> bytes:
    """Return 12000x12000 transparent pixels: half a megabyte that decodes to 576 MB."""
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    strip = rows(np.zeros((120, 12_000, 4), np.uint8))
    stream = b"".join(packer.compress(strip) for _ in range(100)) + packer.flush()
    return rgba_png(12_000, 12_000, 8, stream)


def sideways(orientation: int, turn: Image.Transpose) -> Write:
    """Return a writer of PHOTO stored on its side, with the EXIF orientation that undoes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(PHOTO.transpose(turn), "JPEG", quality=95, exif=exif)


def adobe_rgb_profile() -> bytes:
    """Return an ICC profile with the primaries (adapted to D50) and gamma of Adobe RGB (1998)."""

    def xyz(*values: float) -> bytes:
        return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))

    white = xyz(0.9642, 1.0, 0.8249)
    gamma = struct.pack(">4s4xIH2x", b"curv", 1, 563)  # 563 / 256
    name = b"Adobe RGB compatible\0"
    tags = {
        b"desc": struct.pack(">4s4xI", b"desc", len(name)) + name + bytes(78 + 1),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": white,
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma),
    }
    table, data = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, 132 + 12 * len(tags) + len(data), len(value))
        data += value
    header = struct.pack(
        ">I4sI4s4s4s12x4s28x12s48x", 128 + len(table) + len(data), b"lcms", 0x02400000,
        b"mntr", b"RGB ", b"XYZ ", b"acsp", white[8:],
    )  # fmt: skip
    return header + table + data


def in_adobe_rgb(path: Path) -> None:
    """Write PHOTO in the Adobe RGB colour space."""
    profile, srgb = adobe_rgb_profile(), ImageCms.createProfile("sRGB")
    wide = ImageCms.profileToProfile(PHOTO, srgb, ImageCms.ImageCmsProfile(BytesIO(profile)))
    wide.save(path, "JPEG", quality=95, icc_profile=profile)


def indexed(image: Image.Image) -> Image.Image:
    """Return a GIF frame of an RGBA image: one palette entry is transparent, the rest opaque."""
    frame = image.convert("RGB").quantize(255)
    frame.paste(255, mask=image.getchannel("A").point(lambda a: 255 * (a < 128)))
    frame.info["transparency"] = 255
    return frame


def corner_of_huge_canvas() -> Image.Image:
    """Return a 66x56 object in the bottom right corner of a transparent 3000x3000 canvas."""
    canvas = Image.new("RGBA", (3000, 3000))
    canvas.paste(CUTOUT.resize((66, 56)), (2934, 2944))
    return canvas


def premultiplied() -> Image.Image:
    """Return CUTOUT with its colours multiplied by alpha, which gives it a dark fringe."""
    pixels = np.array(CUTOUT)
    pixels[..., :3] = pixels[..., :3].astype(int) * pixels[..., 3:] // 255
    return Image.fromarray(pixels)


def nested(path: Path) -> None:
    """Write CUTOUT into folders of its own."""
    path.parent.mkdir(parents=True)
    CUTOUT.save(path)


def unreadable(path: Path) -> None:
    """Write CUTOUT with mode 000."""
    CUTOUT.save(path)
    path.chmod(0)


GRAY = PHOTO.convert("L")
DEEP_GRAY = Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)
OPAQUE_RGBA = PHOTO.convert("RGBA")
LA = CUTOUT.convert("LA")
PALETTED = CUTOUT.quantize(64)
DARK_FRINGE = premultiplied()
BINARY = CUTOUT.copy()
BINARY.putalpha(CUTOUT.getchannel("A").point(lambda a: 255 * (a >= 128)))
JPEG = save(PHOTO, "JPEG", quality=95)
PNG = save(CUTOUT, "PNG")
FRAMES = {"save_all": True, "append_images": LATER}
GIF_FRAMES = {"save_all": True, "append_images": [indexed(image) for image in LATER]}
ANIMATED = "animated: first of 3 used"
AVIF = (
    transparent("alpha.avif", save(CUTOUT, "AVIF", quality=95))
    if features.check("avif")
    else unusable("alpha.avif", put(lambda: b"\0\0\0\x1cftypavif" + bytes(99)), "not an image")
)

CASES = [
    transparent("palette_alpha.png", save(PALETTED, "PNG"), PALETTED.convert("RGBA")),
    transparent("rgba_16bit.png", put(sixteen_bits)),
    opaque("gray_16bit.png", save(DEEP_GRAY, "PNG"), GRAY),
    opaque("gray.png", save(GRAY, "PNG"), GRAY),
    transparent("gray_alpha.png", save(LA, "PNG"), LA),
    opaque("cmyk.jpg", save(PHOTO.convert("CMYK"), "JPEG", quality=95)),
    opaque("exif_orientation_6.jpg", sideways(6, Image.Transpose.ROTATE_90)),
    opaque("exif_orientation_8.jpg", sideways(8, Image.Transpose.ROTATE_270)),
    opaque("icc_adobe_rgb.jpg", in_adobe_rgb),
    transparent(
        "animated.gif",
        save(indexed(CUTOUT), "GIF", transparency=255, disposal=2, **GIF_FRAMES),
        BINARY,
        ANIMATED,
    ),
    opaque(
        "animated_opaque.gif",
        save(PHOTO.quantize(), "GIF", save_all=True, append_images=[GRAY, GRAY.rotate(180)]),
        note=ANIMATED,
    ),
    transparent("animated.webp", save(CUTOUT, "WEBP", lossless=True, **FRAMES), note=ANIMATED),
    transparent(
        "two_pages.tif",
        save(CUTOUT, "TIFF", compression="tiff_lzw", save_all=True, append_images=LATER[:1]),
        note="several pages: first of 2 used",
    ),
    transparent("alpha.webp", save(CUTOUT, "WEBP", lossless=True)),
    AVIF,
    opaque("photo.bmp", save(PHOTO, "BMP")),
    opaque("IMG_0001.HEIC", JPEG),
    opaque("photo_named.png", JPEG),
    opaque("PHOTO.JPG", JPEG),
    unusable("truncated.jpg", put(lambda: cut_off(PHOTO, "JPEG")), "truncated"),
    unusable("truncated.png", put(lambda: cut_off(CUTOUT, "PNG")), "truncated"),
    transparent("bad_crc.png", put(bad_crc)),  # Pillow checks no CRC of pixels
    unusable("corrupt_data.png", put(corrupt_data), "corrupt ("),
    unusable("zero_bytes.png", put(bytes), "empty file"),
    unusable("text_named.png", put(lambda: b"A note, not an image.\n"), "not an image"),
    unusable("bomb_12000x12000.png", put(bomb), "too large: 12000x12000"),
    unusable(
        "huge_header_no_data.png", put(lambda: rgba_png(100_000, 100_000, 8, None)), "too large"
    ),
    unusable("one_pixel.png", save(Image.new("RGBA", (1, 1), (9, 9, 9, 128)), "PNG"), "too small"),
    unusable("1x5000.png", save(Image.new("RGBA", (1, 5000), (9, 9, 9, 128)), "PNG"), "too small"),
    unusable(
        "fully_transparent.png",
        save(Image.new("RGBA", (300, 200), (0, 255, 0, 0)), "PNG"),
        "transparent: only 0.00% is visible",
        "empty cut-out",
    ),
    opaque("fully_opaque_rgba.png", save(OPAQUE_RGBA, "PNG")),
    Case(
        "tiny_corner_of_huge_canvas.png",
        lambda path: corner_of_huge_canvas().save(path, compress_level=1),
        "transparent: only 0.0",
        LOADED,
        CUTOUT.resize((66, 56)),
    ),
    transparent("premultiplied_look.png", save(DARK_FRINGE, "PNG"), DARK_FRINGE),
    transparent("été 日本 🦊 fox.png", PNG),
    transparent("two\nlines.png", PNG),
    Case(".DS_Store", put(lambda: b"\0\0\0\1Bud1" + bytes(500)), IGNORED, IGNORED),
    Case("Thumbs.db", put(lambda: bytes.fromhex("d0cf11e0a1b11ae1")), IGNORED, IGNORED),
    Case("sub/deeper/nested.png", nested, IGNORED, IGNORED),
    Case("folder_named.png", Path.mkdir, IGNORED, IGNORED),
    Case("loop_dir", lambda path: path.symlink_to("."), IGNORED, IGNORED),
    unusable("loop.png", lambda path: path.symlink_to(path.name), "a symbolic link to itself"),
    unusable("unreadable.png", unreadable, "permission denied"),  # but root reads it
]
