"""The built-in pack: which scenes and objects it holds, how they are stored, and their hashes.

The seeds were chosen by eye from a few hundred. The same versions of NumPy, Numba and Pillow on the
same kind of processor give the same bytes. Elsewhere the last bit of a sine may differ, and single
pixels with it; so ``verify`` compares stored bytes with stored hashes and never renders.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from PIL import Image

from evafast.errors import RunError, UsageError, quoted
from training.scenes import scene, thing

SUMS = "SHA256SUMS"

_BACKGROUNDS: dict[str, tuple[int, ...]] = {
    "living": (19, 5, 24, 12, 0, 6, 3),
    "city": (7022, 7025, 7007, 7003, 7018, 7023),
    "beach": (14005, 14011, 14004, 14025, 14002),
    "bedroom": (1021, 1023, 1000, 1011, 1019, 1024),
    "forest": (12011, 12014, 12022, 12017, 12023, 12003),
    "kitchen": (2022, 2011, 2015, 2004, 2025, 2003),
    "village": (8021, 8001, 8008, 8011, 8025, 8004),
    "snow": (16017, 16016, 16020, 16024, 16025),
    "study": (3019, 3015, 3012, 3018, 3021, 3010),
    "hills": (11008, 11019, 11001, 11006, 11007, 11015),
    "bath": (6008, 6014, 6010, 6020),
    "desert": (15005, 15002, 15014, 15021),
    "gallery": (4008, 4005, 4018, 4017, 4012),
    "lake": (13017, 13015, 13004, 13024, 13006, 13005),
    "attic": (5018, 5024, 5025, 5022, 5004, 5013),
    "plaza": (9021, 9006, 9000, 9001),
    "garden": (10021, 10002, 10014, 10001, 10009),
    "canyon": (17021, 17016, 17017, 17022),
    "table": (18009, 18010, 18001),
}

_FOREGROUNDS: dict[str, tuple[int, ...]] = {
    "beast": (1500, 1501, 1502, 1503, 1505),
    "cup": (100, 104, 105, 107),
    "car": (2002, 2003, 2004, 2007, 2008),
    "vase": (0, 2, 3, 7),
    "bear": (1600, 1601, 1604, 1607),
    "fruit": (400, 401, 403, 404, 405, 407),
    "house": (2201, 2202, 2203, 2208),
    "bottle": (200, 201, 204, 208),
    "bird": (1700, 1702, 1705, 1707, 1708),
    "lamp": (600, 601, 603),
    "plant": (500, 502, 504, 506),
    "fish": (1800, 1801, 1803, 1808),
    "ball": (800, 801, 802, 803),
    "glass": (300, 303, 304, 308),
    "person": (1900, 1901, 1902, 1903, 1906),
    "books": (701, 703, 707),
    "boat": (2102, 2103, 2105, 2107),
    "gem": (901, 903, 905, 906),
    "teapot": (1101, 1102, 1106, 1107),
    "tree": (2302, 2303, 2304, 2307),
    "present": (1402, 1403, 1407),
    "mushroom": (1001, 1003, 1004),
    "instrument": (2400, 2401, 2403, 2405),
    "clock": (1301, 1305, 1307),
    "candle": (1203, 1204, 1207),
}


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """How the pack is rendered and stored.

    Attributes
    ----------
    background_side, foreground_side : int
        Side in pixels as rendered, 64 to 1024; foregrounds are then cropped to what is visible.
    background_samples, foreground_samples : int
        Rays per pixel, 1 to 256.
    quality : int
        JPEG quality of backgrounds, 1 to 100.
    """

    background_side: int = 320
    foreground_side: int = 256
    background_samples: int = 12
    foreground_samples: int = 25
    quality: int = 88

    def __post_init__(self) -> None:
        for name, low, high in (
            ("background_side", 64, 1024),
            ("foreground_side", 64, 1024),
            ("background_samples", 1, 256),
            ("foreground_samples", 1, 256),
            ("quality", 1, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(
                    f"{name}: expected {low} to {high}, got {value}; choose one in between"
                )


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image of the pack: its folder, file name, kind and seed."""

    folder: str
    name: str
    kind: str
    seed: int


def _dealt(table: dict[str, tuple[int, ...]]) -> list[tuple[str, int]]:
    # one of each kind in turn, so that the first few show what there is
    rounds = zip_longest(*([(kind, seed) for seed in seeds] for kind, seeds in table.items()))
    return [entry for one_round in rounds for entry in one_round if entry is not None]


def items() -> list[Item]:
    """Return all images of the pack, backgrounds first, in the order of their names."""
    listed = []
    for folder, prefix, ending, table in (
        ("backgrounds", "bg", "jpg", _BACKGROUNDS),
        ("foregrounds", "fg", "webp", _FOREGROUNDS),
    ):
        for number, (kind, seed) in enumerate(_dealt(table), start=1):
            name = f"{prefix}-{number:03d}-{kind}.{ending}"
            listed.append(Item(folder=folder, name=name, kind=kind, seed=seed))
    return listed


def render(item: Item, config: PackConfig | None = None) -> Image.Image:
    """Render one image of the pack: RGB, or RGBA cropped to what is visible."""
    config = config or PackConfig()
    if item.folder == "backgrounds":
        side = config.background_side
        picture = scene(
            item.seed, item.kind, width=side, height=side, samples=config.background_samples
        )
        return Image.fromarray(picture.rgb)
    cut = thing(
        item.seed, item.kind, side=config.foreground_side, samples=config.foreground_samples
    )
    image = Image.fromarray(cut.rgba)
    return image.crop(image.getchannel("A").getbbox())


def encode(item: Item, image: Image.Image, config: PackConfig | None = None) -> bytes:
    """Encode a rendered image as it is stored, without metadata."""
    config = config or PackConfig()
    buffer = io.BytesIO()
    if item.folder == "backgrounds":
        image.save(buffer, "JPEG", quality=config.quality, optimize=True, subsampling=2)
    else:
        image.save(buffer, "WEBP", lossless=True, quality=100, method=6, exact=False)
    return buffer.getvalue()


def make(out: Path, config: PackConfig | None = None) -> Iterator[Item]:
    """Render and write the pack to ``out``; yield each item once it is written.

    Raises
    ------
    UsageError
        If ``out`` is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"OUT: expected a new or empty folder, got {quoted(out)}; choose another")
    sums = []
    for item in items():
        data = encode(item, render(item, config), config)
        (out / item.folder).mkdir(parents=True, exist_ok=True)
        (out / item.folder / item.name).write_bytes(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {item.folder}/{item.name}\n")
        yield item
    (out / SUMS).write_text("".join(sums), encoding="ascii", newline="\n")


def verify(folder: Path) -> int:
    """Check every file of a pack against its hash, and that none is missing or unexpected.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    RunError
        On the first mismatch, or missing or unexpected file.
    """
    listed = {}
    try:
        lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise RunError(
            f"{SUMS}: expected a file in {quoted(folder)}, got {error}; reinstall evafast"
        ) from error
    for line in lines:
        digest, name = line.split("  ", 1)
        listed[name] = digest
    found = {
        f"{p.parent.name}/{p.name}"
        for sub in ("backgrounds", "foregrounds")
        for p in (folder / sub).glob("*")
    }
    for name in sorted(found ^ listed.keys()):
        got = "an unexpected one" if name in found else "none"
        raise RunError(
            f"{quoted(name)}: expected the files in {SUMS}, got {got}; reinstall evafast"
        )
    for name, digest in listed.items():
        got = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if got != digest:
            raise RunError(
                f"{quoted(name)}: expected SHA-256 {digest}, got {got}; reinstall evafast"
            )
    return len(listed)
