"""Load two folders of image files as preprocessed pixels.

Files are judged by their content, not their suffix. Unusable ones are skipped with a warning.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evafast.assets.decode import Unusable, decode
from evafast.assets.preprocess import AssetConfig, prepare_background, prepare_foreground
from evafast.errors import UsageError, quoted
from evafast.system.threads import usable_cores

log = logging.getLogger(__name__)

Images = dict[str, NDArray[np.uint8]]  # by file name, in natural order

_PREPARE = {"background": prepare_background, "foreground": prepare_foreground}
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}  # ignored, as is any name that starts with a dot


@dataclass(frozen=True)
class Skipped:
    """A file that was skipped: its kind (``background`` or ``foreground``), its name and why."""

    kind: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.name)} skipped: {self.reason}"


def load_images(
    backgrounds: str | os.PathLike[str], foregrounds: str | os.PathLike[str], config: AssetConfig
) -> tuple[Images, Images, tuple[Skipped, ...]]:
    """Decode and preprocess every file of two folders on all cores; see `Bank.from_folders`.

    Return backgrounds, foregrounds and skipped files.
    """
    folders = {"background": Path(backgrounds), "foreground": Path(foregrounds)}
    files = [(kind, path) for kind, folder in folders.items() for path in _files_in(kind, folder)]
    loaded: dict[str, Images] = {kind: {} for kind in folders}
    skipped: list[Skipped] = []

    def load(file: tuple[str, Path]) -> tuple[NDArray[np.uint8] | Skipped, list[str]]:
        kind, path = file
        try:
            decoded = decode(path)
            return _PREPARE[kind](decoded, config), decoded.notes
        except Unusable as reason:
            return Skipped(kind, path.name, str(reason)), []

    with warnings.catch_warnings(), ThreadPoolExecutor(usable_cores(), "evafast-decode") as pool:
        warnings.simplefilter("ignore")  # Pillow warns about odd files without naming them
        for (kind, path), (result, notes) in zip(files, pool.map(load, files), strict=True):
            for note in notes:
                log.warning("%s %s: %s", kind, quoted(path.name), note)
            if isinstance(result, Skipped):
                skipped.append(result)
                log.warning("%s", result)
            else:
                loaded[kind][path.name] = result
    if config.strict and skipped:
        raise UsageError(
            f"assets: expected every file to be usable (--strict), got {len(skipped)} skipped, "
            f"first: {skipped[0]}; repair or remove them, or omit --strict"
        )
    for kind, folder in folders.items():
        if not loaded[kind]:
            what = "photographs" if kind == "background" else "cut-outs with transparency"
            raise UsageError(
                f"{kind}s: expected at least 1 usable image in {quoted(folder)}, got none in "
                f"{sum(k == kind for k, _ in files)} files; give a folder of {what}"
            )
    return loaded["background"], loaded["foreground"], tuple(skipped)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts ``img2`` before ``img10`` and ignores case."""
    runs = re.split(r"([0-9]+)", name)  # text, digits, text, ...: digits at the odd positions
    key = [(0, int(r), "") if i % 2 else (1, 0, r.casefold()) for i, r in enumerate(runs)]
    return [*key, (2, 0, name)]


def _files_in(kind: str, folder: Path) -> list[Path]:
    """Return a folder's files in natural order, without subfolders and system files."""
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        problem = {
            FileNotFoundError: "which does not exist; check the path",
            NotADirectoryError: "which is a file; give its folder",
        }.get(type(error), f"{error.strerror}; check its permissions")
        raise UsageError(
            f"{kind}s: expected a readable folder, got {quoted(folder)}, {problem}"
        ) from None
    files = []
    for path in paths:
        if path.name.startswith(".") or path.name.lower() in _SYSTEM_FILES:
            continue
        if os.path.isdir(path):  # False for a broken link, which decode() reports
            log.info("%ss: subfolder %s is not read", kind, quoted(path.name))
        else:
            files.append(path)
    return sorted(files, key=lambda path: natural_key(path.name))
