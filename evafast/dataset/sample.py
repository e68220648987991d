"""What lies between a batch and a layout: host slices, encoded samples, parts and their records."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.statistics import PixelCounter, PixelSums

if TYPE_CHECKING:
    from evafast.dataset.codec import Codec
    from evafast.dataset.naming import Names
    from evafast.sampling.recipe import Placements

GROUP = 8
"""Samples that are summed and encoded together: few enough to stay in the cache meanwhile."""


@dataclass(frozen=True)
class Part:
    """A run of positions in the shuffled order that is written, recorded and resumed as one.

    Attributes
    ----------
    number : int
        0-based.
    start, stop : int
        Positions in the recipe's shuffled order.
    """

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class HostSlice:
    """Some samples of a batch in host memory.

    Attributes
    ----------
    image : ndarray of uint8, shape (n, height, width, 3)
    mask : ndarray of uint8, shape (n, height, width)
    codes : ndarray of uint8 or uint16, shape (n, height, width), or None
        Encoded depth.
    low, high : ndarray of float32, shape (n,), or None
        The depths that the least and the greatest code stand for.
    """

    placements: Placements
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    codes: NDArray[np.unsignedinteger] | None = None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None


class EncodedSample(NamedTuple):
    """The files of one sample; `depth` is None without depth."""

    name: str
    image: bytes
    mask: bytes
    depth: bytes | None
    record: bytes


@dataclass
class Facts:
    """What is recorded of samples beside their files; adds up over slices, in order.

    Attributes
    ----------
    sums : dict of str to PixelSums
        By folder name (``fg_bg``, ...).
    depth_range : ndarray of float32, shape (n, 2)
        Least and greatest depth of each sample; empty without depth.
    """

    sums: dict[str, PixelSums] = field(default_factory=dict)
    depth_range: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 2), np.float32))

    def __add__(self, later: Facts) -> Facts:
        """Return the facts of both, `later` after this one."""
        sums = dict(self.sums)
        for name, values in later.sums.items():
            sums[name] = sums.get(name, PixelSums()) + values
        return Facts(sums, np.concatenate([self.depth_range, later.depth_range]))

    def to_json(self) -> dict:
        """Return the facts as plain values."""
        packed = base64.b64encode(self.depth_range.astype("<f4").tobytes()).decode()
        sums = {name: values.to_json() for name, values in self.sums.items()}
        return {"sums": sums, "depth_range": packed}

    @classmethod
    def from_json(cls, values: dict) -> Facts:
        """Return facts from what `to_json` gave."""
        packed = np.frombuffer(base64.b64decode(values["depth_range"]), "<f4")
        sums = {name: PixelSums.from_json(v) for name, v in values["sums"].items()}
        return cls(sums, packed.reshape(-1, 2))


@dataclass
class Encoded:
    """Encoded samples and their facts."""

    samples: list[EncodedSample]
    facts: Facts


def encode_slice(piece: HostSlice, codec: Codec, names: Names, bank_names: BankNames) -> Encoded:
    """Encode a slice and sum its pixels; runs in an encoder thread."""
    sums = {"fg_bg": piece.image, "fg_bg_mask": piece.mask}
    depth_range = np.empty((0, 2), np.float32)
    if piece.codes is not None:
        assert piece.low is not None
        assert piece.high is not None
        sums["fg_bg_depth"] = piece.codes
        depth_range = np.stack([piece.low, piece.high], axis=1)
    counters = {name: PixelCounter(images) for name, images in sums.items()}
    files: list[tuple[bytes, bytes, bytes | None]] = []
    for start in range(0, len(piece.placements), GROUP):
        group = slice(start, start + GROUP)
        for counter in counters.values():
            counter.add(group)
        images = codec.encode_images(piece.image[group])
        masks = codec.encode_masks(piece.mask[group])
        depths = repeat(None) if piece.codes is None else codec.encode_depths(piece.codes[group])
        files += zip(images, masks, depths, strict=False)
    sample_names = names.samples(piece.placements)
    records = sample_records(piece.placements, sample_names, depth_range, bank_names)
    samples = [
        EncodedSample(name, *encoded, record)
        for name, encoded, record in zip(sample_names, files, records, strict=True)
    ]
    return Encoded(samples, Facts({n: c.sums() for n, c in counters.items()}, depth_range))


@dataclass(frozen=True)
class BankNames:
    """The input files' names, by background and by foreground (mirrors have their original's)."""

    backgrounds: tuple[str, ...]
    foregrounds: tuple[str, ...]

    def foreground(self, which: int) -> tuple[str, bool]:
        """Return the file name of a foreground and whether it is the mirror."""
        count = len(self.foregrounds)
        return self.foregrounds[which % count], which >= count

    @cached_property
    def in_records(self) -> tuple[list[str], list[str]]:
        """What a record has of each background, and of each foreground, mirrors included."""
        foregrounds = map(self.foreground, range(2 * len(self.foregrounds)))
        return (
            [f'"background":{json.dumps(name)}' for name in self.backgrounds],
            [f'"foreground":{json.dumps(n)},"mirrored":{json.dumps(m)}' for n, m in foregrounds],
        )


def sample_records(
    placements: Placements, names: list[str], depth_range: NDArray[np.float32],
    bank_names: BankNames,
) -> Iterator[bytes]:  # fmt: skip
    """Yield a JSON object a sample: the columns of samples.csv, its index, its range of depth.

    Written out, not serialized: an encoder that works on text holds the GIL.
    """
    p = placements
    backgrounds, foregrounds = bank_names.in_records
    columns = (p.background, p.foreground, p.placement, p.left, p.top, p.width, p.height, p.index)
    ranges = [f',"depth_low":{low!r},"depth_high":{high!r}' for low, high in depth_range.tolist()]
    for name, depth, b, f, k, x, y, w, h, index in zip(
        names, ranges or [""] * len(names), *(column.tolist() for column in columns), strict=True
    ):
        yield (
            f'{{"name":"{name}",{backgrounds[b]},{foregrounds[f]},"placement":{k + 1},"left":{x},'
            f'"top":{y},"width":{w},"height":{h},"index":{index}{depth}}}'
        ).encode()
