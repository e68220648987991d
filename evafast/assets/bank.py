"""Bank: every background and cut-out of a run as packed uint8 pixels.

Backgrounds stand in one array of the canvas's size. Cut-outs are ragged: their pixels lie end to
end in one RGBA array, with an offset and a size each, so that nothing is spent on padding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.assets.loading import AssetConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Bank:
    """Preprocessed assets, ready for any compositing backend.

    Attributes
    ----------
    backgrounds : ndarray of uint8, shape (backgrounds, canvas, canvas, 3)
        RGB, C-contiguous.
    foreground_rgba : ndarray of uint8, shape (pixels, 4)
        Straight (not premultiplied) RGB and coverage of all cut-outs, row by row, end to end.
    foreground_offsets : ndarray of int64, shape (foregrounds,)
        First pixel of each cut-out in `foreground_rgba`.
    foreground_sizes : ndarray of int32, shape (foregrounds, 2)
        ``(height, width)`` in pixels.
    background_names, foreground_names : tuple of str
        Names of the input files. `foreground_names` names the originals only: foreground i of F
        originals has its mirror at F + i.
    """

    backgrounds: NDArray[np.uint8]
    foreground_rgba: NDArray[np.uint8]
    foreground_offsets: NDArray[np.int64]
    foreground_sizes: NDArray[np.int32]
    background_names: tuple[str, ...]
    foreground_names: tuple[str, ...]

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
            File names; ``bg001``, ``fg001``, ... when left out.
        mirror : bool
            Append the left-right mirror of every cut-out.

        Raises
        ------
        UsageError
            When there is no background or no foreground, or one has another shape or dtype.
        """
        if not len(backgrounds) or not len(foregrounds):
            raise UsageError(
                f"bank: expected at least 1 background and 1 foreground, got {len(backgrounds)} and "
                f"{len(foregrounds)}; give more images"
            )
        canvas = np.shape(backgrounds[0])[0]
        for i, array in enumerate(backgrounds):
            _check_pixels(f"background {i}", array, (canvas, canvas, 3))
        for i, array in enumerate(foregrounds):
            _check_pixels(f"foreground {i}", array, (None, None, 4))
        for kind, names, count in (
            ("background", background_names, len(backgrounds)),
            ("foreground", foreground_names, len(foregrounds)),
        ):
            if names is not None and len(names) != count:
                raise UsageError(
                    f"{kind} names: expected {count}, one a {kind}, got {len(names)}; name them all"
                )
        every = [np.ascontiguousarray(a) for a in foregrounds]
        if mirror:
            every += [np.ascontiguousarray(a[:, ::-1]) for a in foregrounds]
        areas = np.array([a.shape[0] * a.shape[1] for a in every], dtype=np.int64)
        return cls(
            backgrounds=_frozen(np.stack([np.asarray(b) for b in backgrounds])),
            foreground_rgba=_frozen(np.concatenate([a.reshape(-1, 4) for a in every])),
            foreground_offsets=_frozen(np.cumsum(areas) - areas),
            foreground_sizes=_frozen(np.array([a.shape[:2] for a in every], dtype=np.int32)),
            background_names=tuple(background_names or _numbered("bg", len(backgrounds))),
            foreground_names=tuple(foreground_names or _numbered("fg", len(foregrounds))),
        )

    @classmethod
    def from_folders(
        cls,
        backgrounds: str | PathLike[str],
        foregrounds: str | PathLike[str],
        config: AssetConfig | None = None,
    ) -> Bank:
        """Load, preprocess and pack two folders of pictures.

        See `evafast.assets.loading.load_folders` for what is skipped and how to hear of it.
        """
        from evafast.assets.loading import load_folders

        return load_folders(backgrounds, foregrounds, config).bank

    @classmethod
    def builtin(cls, config: AssetConfig | None = None) -> Bank:
        """Load the built-in pack: 100 rendered backgrounds and 100 rendered cut-outs."""
        from evafast.builtin import pack_folders

        with pack_folders() as (backgrounds, foregrounds):
            return cls.from_folders(backgrounds, foregrounds, config)

    @property
    def canvas(self) -> int:
        """Side of the square canvas in pixels."""
        return self.backgrounds.shape[1]

    @property
    def background_count(self) -> int:
        """Number of backgrounds."""
        return len(self.backgrounds)

    @property
    def foreground_count(self) -> int:
        """Number of foregrounds, mirrors included."""
        return len(self.foreground_offsets)

    def is_mirrored(self, foreground: int) -> bool:
        """Tell whether a foreground is the mirror of an original."""
        return foreground >= len(self.foreground_names)

    def foreground_name(self, foreground: int) -> str:
        """Return the input file's name of a foreground; a mirror has its original's."""
        return self.foreground_names[foreground % len(self.foreground_names)]

    def foreground(self, which: int) -> NDArray[np.uint8]:
        """Return one cut-out as (height, width, 4) uint8 RGBA, a view into the bank."""
        height, width = (int(n) for n in self.foreground_sizes[which])
        start = int(self.foreground_offsets[which])
        return self.foreground_rgba[start : start + height * width].reshape(height, width, 4)

    def hashes(self) -> dict[str, list[str]]:
        """Return the SHA-256 of every asset's pixels as preprocessed (RGB or RGBA, row-major)."""
        return {
            "backgrounds": [_sha256(b) for b in self.backgrounds],
            "foregrounds": [_sha256(self.foreground(i)) for i in range(self.foreground_count)],
        }


def _check_pixels(name: str, array: NDArray[np.uint8], expected: tuple[int | None, ...]) -> None:
    shape = np.shape(array)
    fits = len(shape) == len(expected) and all(
        w in (None, s) and s > 0 for s, w in zip(shape, expected, strict=True)
    )
    if not fits or getattr(array, "dtype", None) != np.uint8:
        shown = ", ".join("any" if w is None else str(w) for w in expected)
        raise UsageError(
            f"{name}: expected uint8 of shape ({shown}), got {getattr(array, 'dtype', type(array))} "
            f"of shape {shape}; convert it first"
        )


def _frozen(array: NDArray) -> NDArray:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def _numbered(prefix: str, count: int) -> list[str]:
    digits = max(3, len(str(count)))
    return [f"{prefix}{i:0{digits}d}" for i in range(1, count + 1)]


def _sha256(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
