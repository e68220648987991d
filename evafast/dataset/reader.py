"""Reading back: `open_dataset` reads from disk what the pipeline makes live."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from functools import cached_property
from os import PathLike
from typing import Any, cast, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Dataset

from evafast.dataset.codec import decode_image
from evafast.dataset.formats import open_format
from evafast.dataset.manifest import read_manifest
from evafast.dataset.naming import DEPTH_RANGE
from evafast.dataset.store import Store, open_store
from evafast.dataset.stream import StoredStream
from evafast.depth.encoding import EncodedDepth, Encoding, decode
from evafast.errors import RunError, quoted
from evafast.pipeline import Batch
from evafast.sampling.indexing import checked_indices

_NAMED = 256


def open_dataset(path: str | PathLike[str]) -> StoredDataset:
    """Open a finished dataset, whatever its format.

    Parameters
    ----------
    path : path-like
        Its folder or fsspec address.

    Raises
    ------
    UsageError
        If there is no finished dataset.
    """
    return StoredDataset(open_store(path))


class StoredDataset(Dataset[Any]):
    """A map-style dataset over samples on disk; position i is the i-th sample written.

    ``dataset[i]`` is a dict of tensors, so a plain DataLoader works; ``dataset[a:b]`` and
    ``dataset[array]`` are a `Batch`, for use with a batch sampler::

        DataLoader(dataset, batch_size=64, shuffle=True)
        DataLoader(dataset, sampler=BatchSampler(...), batch_size=None)

    Attributes
    ----------
    manifest : Manifest
    recipe : Recipe
        The sample at position i is ``recipe.order[i]``.
    names : SampleNames
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.manifest = read_manifest(store)
        self.plan = self.manifest.plan
        self.recipe = self.plan.recipe
        self.names = self.plan.names
        self._format = open_format(store, self.plan)

    def __len__(self) -> int:
        return self.plan.samples

    @overload
    def __getitem__(self, position: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, position: slice | ArrayLike) -> Batch: ...

    def __getitem__(self, position: int | slice | ArrayLike) -> dict[str, Any] | Batch:
        """Read one sample, or a batch.

        Returns
        -------
        dict or Batch
            For an integer, a dict: ``index`` (int), ``name`` (str), ``background`` and ``image``
            (3, canvas, canvas) uint8, ``mask`` (1, canvas, canvas) uint8 and, with depth,
            ``depth`` (1, canvas, canvas) float32. A `Batch` for a slice or an array.

        Raises
        ------
        IndexError
            If a position is not an integer or out of range.
        RunError
            If a file is missing or does not decode; the message names it.
        """
        batch = self._read(checked_indices(position, len(self), "position"))
        if isinstance(position, slice) or np.ndim(position):
            return batch
        sample = {
            "index": int(batch.index[0]), "name": self.names.samples(batch.placements)[0],
            "background": batch.background[0], "image": batch.image[0], "mask": batch.mask[0],
        }  # fmt: skip
        return sample if batch.depth is None else {**sample, "depth": batch.depth[0]}

    def _read(self, positions: NDArray[np.int64]) -> Batch:
        placements = self.placements_at(positions)
        count, side = len(positions), self.recipe.canvas
        pixels: dict[str, NDArray[np.unsignedinteger]] = {
            "image": np.empty((count, side, side, 3), np.uint8),
            "mask": np.empty((count, side, side), np.uint8),
        }
        if self.plan.depth:
            wide = self.plan.depth_encoding == "metric16"
            pixels["depth"] = np.empty((count, side, side), np.uint16 if wide else np.uint8)
        names = self.names.samples(placements)
        for i, (position, name) in enumerate(zip(positions.tolist(), names, strict=True)):
            for field, data in self.read_files(position, name).items():
                decoded = decode_image(data, f"{name} {field}")
                if decoded.shape != pixels[field].shape[1:]:
                    raise self._missing(f"{name} {field}", f"{decoded.shape} pixels")
                pixels[field][i] = decoded
        batch = Batch(
            placements=placements, image=torch.from_numpy(pixels["image"]).permute(0, 3, 1, 2),
            mask=torch.from_numpy(pixels["mask"])[:, None], backgrounds=self._backgrounds,
        )  # fmt: skip
        if self.plan.depth:
            low, high = self._depth_range[positions].unbind(1)
            encoded = EncodedDepth(
                codes=torch.from_numpy(pixels["depth"]), low=low, high=high,
                encoding=cast(Encoding, self.plan.depth_encoding),
                metres_per_unit=self.plan.depth.metres_per_unit,
            )  # fmt: skip
            batch.depth = decode(encoded)[:, None]
            batch.finite = torch.ones(count, dtype=torch.bool)
        return batch

    def read_files(
        self, position: int, name: str, fields: Sequence[str] | None = None
    ) -> dict[str, bytes]:
        """Return files of the sample at a position by field; all fields by default.

        Raises `RunError` if a file is not where the manifest says.
        """
        number, row = divmod(position, self.plan.samples_per_shard)
        record = self.manifest.shards[number]
        files = {}
        for field in fields or self.plan.fields:
            try:
                files[field] = self._format.read(record, row, name, field)
            except (OSError, IndexError, ValueError, struct.error) as error:
                raise self._missing(f"{name} {field}", f"none ({error})") from None
        return files

    def _missing(self, name: str, got: str) -> RunError:
        return RunError(
            f"{name}: expected it in {quoted(self.store)} as written, got {' '.join(got.split())}; "
            "run evafast inspect verify on it"
        )

    def _read_file(self, name: str) -> bytes:
        try:
            return self.store.read(name)
        except OSError as error:
            raise self._missing(name, f"none ({error})") from None

    def read_asset(self, file: str) -> NDArray[np.uint8]:
        """Return the pixels of a file in ``bg/`` or ``fg/``; `RunError` if it is missing."""
        return decode_image(self._read_file(file), file)

    def placements_at(self, positions: slice | ArrayLike) -> Any:
        """Return the `Placements` of stored samples, without reading any image."""
        return self.recipe[self.recipe.order[positions]]

    def named(self) -> Iterator[tuple[int, str]]:
        """Yield the position and name of every sample."""
        for start in range(0, len(self), _NAMED):
            some = slice(start, min(start + _NAMED, len(self)))  # the recipe may have more
            yield from enumerate(self.names.samples(self.placements_at(some)), start)

    def location(self, position: int, name: str) -> dict[str, str]:
        """Return where a sample's composite is; see `Format.location`."""
        shard = self.plan.shard(position // self.plan.samples_per_shard)
        return self._format.location(shard, name)

    def stream(
        self, batch_size: int = 64, *, rank: int = 0, world_size: int = 1, seed: int = 0
    ) -> StoredStream:
        """Return an iterable dataset of batches, split by rank and worker; see `StoredStream`."""
        return StoredStream(self, batch_size, rank=rank, world_size=world_size, seed=seed)

    @cached_property
    def _depth_range(self) -> torch.Tensor:
        return torch.from_numpy(np.load(io.BytesIO(self._read_file(DEPTH_RANGE))))

    @cached_property
    def _backgrounds(self) -> torch.Tensor:
        images = [self.read_asset(file) for file in self.names.background_files()]
        return torch.from_numpy(np.stack(images))
