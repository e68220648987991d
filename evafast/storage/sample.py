"""What lies between a batch and a layout: host slices, encoded samples, parts and their records."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.storage.statistics import PixelSums

if TYPE_CHECKING:
    from evafast.recipe import Placements
    from evafast.storage.codec import Codec
    from evafast.storage.naming import Names


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


@dataclass(frozen=True)
class EncodedSample:
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
    facts = Facts({
        "fg_bg": PixelSums.of_batch(piece.image), "fg_bg_mask": PixelSums.of_batch(piece.mask)
    })  # fmt: skip
    if piece.codes is not None:
        assert piece.low is not None
        assert piece.high is not None
        facts.sums["fg_bg_depth"] = PixelSums.of_batch(piece.codes)
        facts.depth_range = np.stack([piece.low, piece.high], axis=1)
    samples = []
    p = piece.placements
    for row, name in enumerate(names.samples(p)):
        record = sample_record(p, row, name, bank_names)
        depth = None
        if piece.codes is not None:
            depth = codec.encode_depth(piece.codes[row])
            low, high = facts.depth_range[row].tolist()
            record |= {"depth_low": low, "depth_high": high}
        samples.append(
            EncodedSample(
                name, codec.encode_image(piece.image[row]), codec.encode_mask(piece.mask[row]),
                depth, json.dumps(record, separators=(",", ":")).encode(),
            )
        )  # fmt: skip
    return Encoded(samples, facts)


@dataclass(frozen=True)
class BankNames:
    """The input files' names, by background and by foreground (mirrors have their original's)."""

    backgrounds: tuple[str, ...]
    foregrounds: tuple[str, ...]

    def foreground(self, which: int) -> tuple[str, bool]:
        """Return the file name of a foreground and whether it is the mirror."""
        count = len(self.foregrounds)
        return self.foregrounds[which % count], which >= count


def sample_record(placements: Placements, row: int, name: str, bank_names: BankNames) -> dict:
    """Return what is known of one sample, in the order of the columns of samples.csv."""
    file, mirrored = bank_names.foreground(int(placements.foreground[row]))
    return {
        "name": name,
        "background": bank_names.backgrounds[placements.background[row]],
        "foreground": file,
        "mirrored": mirrored,
        "placement": int(placements.placement[row]) + 1,
        "left": int(placements.left[row]),
        "top": int(placements.top[row]),
        "width": int(placements.width[row]),
        "height": int(placements.height[row]),
        "index": int(placements.index[row]),
    }
