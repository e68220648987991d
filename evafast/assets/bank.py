"""Bank: all backgrounds and foregrounds of a run, packed as uint8 pixels.

Foregrounds differ in size, so their pixels are stored end to end in one RGBA array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from os import PathLike
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evafast.assets.loading import Skipped, load_images
from evafast.assets.preprocess import AssetConfig
from evafast.builtin import pack_folders
from evafast.errors import UsageError

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bank:
    """Preprocessed assets, ready for any compositing backend.

    Attributes
    ----------
    backgrounds : ndarray of uint8, shape (backgrounds, canvas, canvas, 3)
        RGB, C-contiguous.
    foreground_rgba : ndarray of uint8, shape (pixels, 4)
        Straight (not premultiplied) RGB and coverage of all foregrounds, row by row, end to end.
    foreground_offsets : ndarray of int64, shape (foregrounds,)
        First pixel of each foreground in `foreground_rgba`.
    foreground_sizes : ndarray of int32, shape (foregrounds, 2)
        ``(height, width)`` in pixels.
    background_names, foreground_names : tuple of str
        Names of the input files. `foreground_names` has the originals only: foreground i of F
        originals has its mirror at F + i.
    skipped : tuple of Skipped
        Input files that could not be used.
    """

    backgrounds: NDArray[np.uint8]
    foreground_rgba: NDArray[np.uint8]
    foreground_offsets: NDArray[np.int64]
    foreground_sizes: NDArray[np.int32]
    background_names: tuple[str, ...]
    foreground_names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        backgrounds: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        foregrounds: Sequence[NDArray[np.uint8]],
        *,
        background_names: Sequence[str] | None = None,
        foreground_names: Sequence[str] | None = None,
        mirror: bool = True,
    ) -> Bank:
        """Pack arrays that are already preprocessed.

        Parameters
        ----------
        backgrounds : sequence of ndarray of uint8, each (canvas, canvas, 3)
            RGB.
        foregrounds : sequence of ndarray of uint8, each (height, width, 4)
            RGBA, straight alpha.
        background_names, foreground_names : sequence of str, optional
            File names; ``bg001``, ``fg001``, ... by default.
        mirror : bool
            Append the left-right mirror of every foreground.

        Raises
        ------
        UsageError
            If there is no background or no foreground, one has an unexpected shape or dtype, or
            the number of names differs from the number of arrays.
        """
        if not len(backgrounds) or not len(foregrounds):
            raise UsageError(
                "bank: expected at least 1 background and 1 foreground, got "
                f"{len(backgrounds)} and {len(foregrounds)}; give more images"
            )
        canvas = np.shape(backgrounds[0])[0]
        for i, array in enumerate(backgrounds):
            _check_pixels(f"background {i}", array, (canvas, canvas, 3))
        for i, array in enumerate(foregrounds):
            _check_pixels(f"foreground {i}", array, (None, None, 4))
        packed = [*foregrounds, *(a[:, ::-1] for a in foregrounds if mirror)]
        areas = np.array([a.shape[0] * a.shape[1] for a in packed], dtype=np.int64)
        return cls(
            backgrounds=_frozen(np.stack([*backgrounds])),
            foreground_rgba=_frozen(np.concatenate([a.reshape(-1, 4) for a in packed])),
            foreground_offsets=_frozen(np.cumsum(areas) - areas),
            foreground_sizes=_frozen(np.array([a.shape[:2] for a in packed], dtype=np.int32)),
            background_names=_names("background", background_names, len(backgrounds)),
            foreground_names=_names("foreground", foreground_names, len(foregrounds)),
        )

    @classmethod
    def from_folders(
        cls,
        backgrounds: str | PathLike[str],
        foregrounds: str | PathLike[str],
        config: AssetConfig | None = None,
    ) -> Bank:
        """Load, preprocess and pack two folders of image files.

        Parameters
        ----------
        backgrounds, foregrounds : path-like
            Folders of photographs and of foregrounds with alpha; subfolders are not read.
        config : AssetConfig, optional

        Raises
        ------
        UsageError
            If a folder is missing or holds no usable image, or if a file had to be skipped and
            `config.strict` is set.
        """
        bg, fg, skipped = load_images(backgrounds, foregrounds, config or AssetConfig())
        bank = cls.from_arrays(
            [*bg.values()], [*fg.values()], background_names=[*bg], foreground_names=[*fg]
        )
        return replace(bank, skipped=skipped)

    @classmethod
    def builtin(cls, config: AssetConfig | None = None) -> Bank:
        """Load the built-in pack: 100 rendered backgrounds and 100 rendered foregrounds."""
        with pack_folders() as (backgrounds, foregrounds):
            return cls.from_folders(backgrounds, foregrounds, config)

    @property
    def canvas(self) -> int:
        """Side of the square canvas in pixels."""
        return int(self.backgrounds.shape[1])

    @property
    def background_count(self) -> int:
        """Number of backgrounds."""
        return len(self.backgrounds)

    @property
    def foreground_count(self) -> int:
        """Number of foregrounds, mirrors included."""
        return len(self.foreground_offsets)

    def is_mirrored(self, foreground: int) -> bool:
        """Return whether a foreground is the mirror of an original."""
        return foreground >= len(self.foreground_names)

    def foreground_name(self, foreground: int) -> str:
        """Return the name of a foreground's input file; a mirror has its original's."""
        return self.foreground_names[foreground % len(self.foreground_names)]

    def foreground(self, which: int) -> NDArray[np.uint8]:
        """Return one foreground as (height, width, 4) uint8 RGBA, a view into the bank."""
        height, width = (int(n) for n in self.foreground_sizes[which])
        start = self.foreground_offsets[which]
        return self.foreground_rgba[start : start + height * width].reshape(height, width, 4)

    def hashes(self) -> dict[str, list[str]]:
        """Return the SHA-256 of every asset's pixels as preprocessed (RGB or RGBA, row-major)."""
        foregrounds = map(self.foreground, range(self.foreground_count))
        return {
            "backgrounds": [sha256(b.data).hexdigest() for b in self.backgrounds],
            "foregrounds": [sha256(f.data).hexdigest() for f in foregrounds],
        }

    def summary(self) -> str:
        """Return one line with the number of assets loaded and files skipped."""
        kinds = [skipped.kind for skipped in self.skipped]
        originals = len(self.foreground_names)
        return (
            f"{self.background_count} backgrounds ({kinds.count('background')} skipped), "
            f"{originals} cut-outs ({kinds.count('foreground')} skipped)"
            + (" and their mirrors" if self.foreground_count > originals else "")
        )


def _check_pixels(name: str, array: NDArray[np.uint8], expected: tuple[int | None, ...]) -> None:
    shape, dtype = np.shape(array), getattr(array, "dtype", type(array))
    fits = len(shape) == len(expected) and all(
        e in (None, s) and s > 0 for s, e in zip(shape, expected, strict=True)
    )
    if not fits or dtype != np.uint8:
        shown = ", ".join("any" if e is None else str(e) for e in expected)
        raise UsageError(
            f"{name}: expected uint8 of shape ({shown}), got {dtype} of shape {shape}; "
            "convert it first"
        )


def _names(kind: str, names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        prefix, digits = {"background": "bg", "foreground": "fg"}[kind], max(3, len(str(count)))
        return tuple(f"{prefix}{i:0{digits}d}" for i in range(1, count + 1))
    if len(names) != count:
        raise UsageError(
            f"{kind} names: expected {count}, one per {kind}, got {len(names)}; name them all"
        )
    return tuple(names)


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
