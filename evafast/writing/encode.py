"""Encode samples on the host into files and metadata; runs in encoder threads."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.formats import EncodedSample
from evafast.dataset.naming import FOLDERS
from evafast.dataset.statistics import PixelCounter, PixelSums

if TYPE_CHECKING:
    from evafast.dataset.plan import Plan
    from evafast.sampling.recipe import Placements

IN_CACHE = 8
"""Samples summed and encoded together: few enough to stay in the core's cache."""


@dataclass(frozen=True, kw_only=True)
class HostSamples:
    """Samples in host memory: (n, height, width[, 3]), or (n,) where each sample has one value.

    `codes` is encoded depth; `low` and `high` are each sample's smallest and largest depth.
    """

    placements: Placements
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    codes: NDArray[np.unsignedinteger] | None = None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    finite: NDArray[np.bool_] | None = None


@dataclass
class SliceMetadata:
    """What is recorded about samples besides their files; slices are added up in order.

    `sums` are pixel sums by folder (``fg_bg``, ...); `depth_range` is the smallest and largest
    depth of each sample, shape (n, 2), empty without depth.
    """

    sums: dict[str, PixelSums] = field(default_factory=dict)
    depth_range: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 2), np.float32))

    def __add__(self, later: SliceMetadata) -> SliceMetadata:
        """Return the metadata of both, in order."""
        sums = dict(self.sums)
        for name, values in later.sums.items():
            sums[name] = sums.get(name, PixelSums()) + values
        return SliceMetadata(sums, np.concatenate([self.depth_range, later.depth_range]))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        packed = base64.b64encode(self.depth_range.astype("<f4").tobytes()).decode()
        sums = {name: values.to_json() for name, values in self.sums.items()}
        return {"sums": sums, "depth_range": packed}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SliceMetadata:
        """Return the metadata that `to_json` describes."""
        packed = np.frombuffer(base64.b64decode(values["depth_range"]), "<f4")
        sums = {name: PixelSums.from_json(v) for name, v in values["sums"].items()}
        return cls(sums, packed.reshape(-1, 2))


class SampleEncoder:
    """Encodes samples of a plan; thread-safe."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._codec, self._names = plan, plan.codec, plan.names

    def __call__(self, samples: HostSamples) -> tuple[list[EncodedSample], SliceMetadata]:
        """Encode samples and sum their pixels."""
        kinds = {"image": samples.image, "mask": samples.mask}
        depth_range = np.empty((0, 2), np.float32)
        if samples.codes is not None:
            assert samples.low is not None
            assert samples.high is not None
            kinds["depth"] = samples.codes
            depth_range = np.stack([samples.low, samples.high], axis=1)
        counters = {FOLDERS[name]: PixelCounter(images) for name, images in kinds.items()}
        files: list[tuple[bytes, bytes, bytes | None]] = []
        for start in range(0, len(samples.placements), IN_CACHE):
            few = slice(start, start + IN_CACHE)
            for counter in counters.values():
                counter.add(few)
            images = self._codec.encode_images(samples.image[few])
            masks = self._codec.encode_masks(samples.mask[few])
            codes = samples.codes
            depths = repeat(None) if codes is None else self._codec.encode_depths(codes[few])
            files += zip(images, masks, depths, strict=False)
        names = self._names.samples(samples.placements)
        records = self._records(samples.placements, names, depth_range)
        encoded = [
            EncodedSample(name, *own, record)
            for name, own, record in zip(names, files, records, strict=True)
        ]
        sums = {name: counter.sums() for name, counter in counters.items()}
        return encoded, SliceMetadata(sums, depth_range)

    @cached_property
    def _assets_in_records(self) -> tuple[list[str], list[str]]:
        plan = self._plan
        return (
            [f'"background":{json.dumps(entry.name)}' for entry in plan.backgrounds],
            [
                f'"foreground":{json.dumps(entry.name)},"mirrored":{json.dumps(entry.mirrored)}'
                for entry in plan.foregrounds
            ],
        )

    def _records(
        self, placements: Placements, names: list[str], depth_range: NDArray[np.float32]
    ) -> Iterator[bytes]:
        """Yield one JSON object per sample: the columns of samples.csv, its index and depth range.

        They are formatted as text because a serializer holds the GIL for longer.
        """
        p = placements
        bgs, fgs = self._assets_in_records
        columns = (p.background, p.foreground, p.placement, p.left, p.top, p.width, p.height,
                   p.index)  # fmt: skip
        ranges = [
            f',"depth_low":{low!r},"depth_high":{high!r}' for low, high in depth_range.tolist()
        ] or [""] * len(names)
        for name, depth, b, f, k, x, y, w, h, index in zip(
            names, ranges, *(column.tolist() for column in columns), strict=True
        ):
            yield (
                f'{{"name":"{name}",{bgs[b]},{fgs[f]},"placement":{k + 1},"left":{x},'
                f'"top":{y},"width":{w},"height":{h},"index":{index}{depth}}}'
            ).encode()
