"""Assets: two folders of pictures -> preprocessed pixels -> Bank.

Only the folder itself is read, never its sub-folders; suffixes do not matter, contents do. What
cannot be used is left out with a warning that names file and reason, and the run goes on with
what is good.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evafast.assets.bank import Bank
from evafast.assets.decode import Decoded, Unusable, decode
from evafast.errors import UsageError, quoted
from evafast.system.threads import usable_cores

log = logging.getLogger(__name__)

MIN_BACKGROUND_SIDE = 16
"""A background narrower or lower than this many pixels is left out."""

MIN_VISIBLE_BACKGROUND = 0.02
"""A background of which less than this share is visible is left out."""

_SILENT = {"thumbs.db", "desktop.ini"}  # besides every name that starts with a dot


@dataclass(frozen=True, kw_only=True)
class AssetConfig:
    """How pictures are preprocessed.

    Parameters
    ----------
    canvas : int
        Side in pixels to which backgrounds are resized (bicubic).
    foreground_size : int
        Cut-outs are shrunk to fit a square of this side (Lanczos), never enlarged.
    min_foreground : tuple of int
        ``(width, height)`` in pixels below which a cut-out is left out, after shrinking.
    strict : bool
        Make any left-out file an error.
    threads : int
        Decoding threads; 0 means one a core.

    Raises
    ------
    UsageError
        When a size is out of range.
    """

    canvas: int = 224
    foreground_size: int = 150
    min_foreground: tuple[int, int] = (40, 50)
    strict: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.canvas <= 16384:
            raise UsageError(f"canvas: expected 1 to 16384 px, got {self.canvas}; choose another")
        if not 1 <= self.foreground_size <= self.canvas:
            raise UsageError(
                f"foreground size: expected 1 to {self.canvas} px (the canvas), got "
                f"{self.foreground_size}; lower it or raise the canvas"
            )
        if min(self.min_foreground) < 1 or max(self.min_foreground) > self.foreground_size:
            width, height = self.min_foreground
            raise UsageError(
                f"min foreground: expected 1 to {self.foreground_size} px (the foreground size) a "
                f"side, got {width}x{height}; lower it"
            )


@dataclass(frozen=True)
class Skipped:
    """A file that was left out: its kind (``background`` or ``foreground``), name and reason."""

    kind: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.name)} skipped: {self.reason}"


@dataclass(frozen=True)
class LoadedAssets:
    """A bank and what happened on the way to it."""

    bank: Bank
    skipped: tuple[Skipped, ...] = field(default=())

    def summary(self) -> str:
        """Return one line that counts what was loaded and what was left out."""
        bank = self.bank
        left_out = {k: sum(s.kind == k for s in self.skipped) for k in ("background", "foreground")}
        return (
            f"{bank.background_count} backgrounds ({left_out['background']} skipped), "
            f"{len(bank.foreground_names)} cut-outs ({left_out['foreground']} skipped) "
            f"and their mirrors"
        )


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key under which ``img2`` stands before ``img10``, whatever the case."""
    pieces = re.split(r"([0-9]+)", name)
    key = [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p.casefold()) for p in pieces]
    return [*key, (2, 0, name)]


def load_folders(
    backgrounds: str | os.PathLike[str],
    foregrounds: str | os.PathLike[str],
    config: AssetConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadedAssets:
    """Load, preprocess and pack two folders.

    Parameters
    ----------
    backgrounds, foregrounds : path-like
        Folders of picture files; sub-folders are not searched.
    config : AssetConfig, optional
    progress : callable, optional
        Called with (files done, files in all) as decoding goes on.

    Returns
    -------
    LoadedAssets

    Raises
    ------
    UsageError
        When a folder is missing, holds no usable picture, or `config.strict` is set and a file
        had to be left out.
    """
    config = config or AssetConfig()
    sources = {
        "background": _files_of("background", Path(backgrounds)),
        "foreground": _files_of("foreground", Path(foregrounds)),
    }
    prepare = {"background": prepare_background, "foreground": prepare_foreground}
    jobs = [(kind, path) for kind, paths in sources.items() for path in paths]
    loaded: dict[str, list[tuple[str, NDArray[np.uint8]]]] = {"background": [], "foreground": []}
    skipped: list[Skipped] = []

    def job(item: tuple[str, Path]) -> tuple[NDArray[np.uint8] | Skipped, list[str]]:
        kind, path = item
        try:
            decoded = decode(path)
            return prepare[kind](decoded, config), decoded.notes
        except Unusable as reason:
            return Skipped(kind, path.name, str(reason)), []

    threads = config.threads or len(usable_cores())
    with warnings.catch_warnings(), ThreadPoolExecutor(threads, "evafast-decode") as pool:
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; ours name the file
        for done, ((kind, path), (result, notes)) in enumerate(
            zip(jobs, pool.map(job, jobs), strict=True), start=1
        ):
            for note in notes:
                log.warning("%s %s: %s", kind, quoted(path.name), note)
            if isinstance(result, Skipped):
                skipped.append(result)
                log.warning("%s", result)
            else:
                loaded[kind].append((path.name, result))
            if progress:
                progress(done, len(jobs))
    if config.strict and skipped:
        raise UsageError(
            f"assets: expected every file usable (--strict), got {len(skipped)} that are not, first: "
            f"{skipped[0]}; mend or remove them, or leave --strict out"
        )
    for kind, folder in (("background", backgrounds), ("foreground", foregrounds)):
        if not loaded[kind]:
            raise UsageError(
                f"{kind}s: expected at least 1 usable picture in {quoted(folder)}, got none of "
                f"{len(sources[kind])} files; give a folder of "
                + ("photographs" if kind == "background" else "cut-outs with transparency")
            )
    bank = Bank.from_arrays(
        [pixels for _, pixels in loaded["background"]],
        [pixels for _, pixels in loaded["foreground"]],
        background_names=[name for name, _ in loaded["background"]],
        foreground_names=[name for name, _ in loaded["foreground"]],
    )
    return LoadedAssets(bank, tuple(skipped))


def _files_of(kind: str, folder: Path) -> list[Path]:
    """Return the folder's files in natural order; sub-folders and system files are passed over."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        raise UsageError(
            f"{kind}s: expected a folder, got {quoted(folder)}, which does not exist; check the path"
        ) from None
    except NotADirectoryError:
        raise UsageError(
            f"{kind}s: expected a folder, got the file {quoted(folder)}; give its folder"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{kind}s: expected a readable folder, got {quoted(folder)}: {error.strerror}; "
            "check its permissions"
        ) from None
    chosen = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _SILENT:
            continue
        if _is_folder(entry):
            log.info("%ss: folder %s is not searched", kind, quoted(entry.name))
            continue
        chosen.append(Path(folder) / entry.name)
    return sorted(chosen, key=lambda path: natural_key(path.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: decode() says so
        return False


def prepare_background(decoded: Decoded, config: AssetConfig) -> NDArray[np.uint8]:
    """Return a background as (canvas, canvas, 3) uint8 RGB.

    Raises
    ------
    Unusable
        When it is too small or hardly anything of it is visible.
    """
    image = decoded.image
    if min(image.size) < MIN_BACKGROUND_SIDE:
        raise Unusable(f"too small: {image.width}x{image.height}")
    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        visible = np.count_nonzero(alpha) / alpha.size
        if visible < MIN_VISIBLE_BACKGROUND:
            raise Unusable(f"transparent: only {visible:.2%} is visible")
        if alpha.min() < 255:
            decoded.notes.append("transparent: flattened onto white")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, (0, 0), image)
        image = flat
    side = (config.canvas, config.canvas)
    return np.asarray(image.resize(side, Image.Resampling.BICUBIC))


def prepare_foreground(decoded: Decoded, config: AssetConfig) -> NDArray[np.uint8]:
    """Return a cut-out as (height, width, 4) uint8 RGBA, cropped to what is visible.

    Raises
    ------
    Unusable
        When it has no transparency, nothing visible, or is too small after shrinking.
    """
    image = decoded.image
    low, high = image.getchannel("A").getextrema() if image.mode == "RGBA" else (255, 255)
    if low == 255:
        raise Unusable("no transparency: a cut-out needs an alpha channel")
    if high == 0:
        raise Unusable("empty cut-out: wholly transparent")
    image = image.crop(image.getchannel("A").getbbox())
    image.thumbnail((config.foreground_size,) * 2, Image.Resampling.LANCZOS)
    width, height = config.min_foreground
    if image.width < width or image.height < height:
        raise Unusable(
            f"too small: {image.width}x{image.height} after shrinking, expected {width}x{height}"
        )
    return np.asarray(image)
