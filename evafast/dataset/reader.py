"""Reading back: `open_dataset` gives from disk the batches that the pipeline gives live."""

from __future__ import annotations

import io
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Dataset

from evafast.dataset.codec import decode_picture
from evafast.dataset.manifest import read_manifest
from evafast.dataset.members import Members, fields_of
from evafast.dataset.naming import DEPTH_RANGE, Names
from evafast.dataset.sample import Part
from evafast.dataset.store import Store, open_store
from evafast.errors import RunError
from evafast.pipeline import Batch
from evafast.sampling.recipe import Recipe, checked_indices

if TYPE_CHECKING:
    from evafast.dataset.stream import StoredStream
    from evafast.sampling.recipe import Placements


def open_dataset(path: str | PathLike[str]) -> StoredDataset:
    """Open a data set that ``evafast.generate`` finished, whatever its layout.

    Parameters
    ----------
    path : path-like
        Its folder, or an fsspec address.

    Returns
    -------
    StoredDataset

    Raises
    ------
    UsageError
        When there is no finished data set.
    """
    return StoredDataset(open_store(path))


def stored_recipe(manifest: dict) -> Recipe:
    """Return the recipe that a data set was made by."""
    return Recipe(
        background_count=len(manifest["backgrounds"]),
        foreground_sizes=[(f["height"], f["width"]) for f in manifest["foregrounds"]],
        placements=manifest["placements"],
        seed=manifest["seed"],
        canvas=manifest["canvas"],
    )


class StoredDataset(Dataset):
    """A map-style dataset over samples on disk; position i is the i-th sample written.

    ``dataset[i]``, ``dataset[a:b]`` and ``dataset[array]`` all give a `Batch`. With a DataLoader,
    whole batches are read at once::

        DataLoader(dataset, batch_size=64, shuffle=True, collate_fn=dataset.collate)

    Attributes
    ----------
    manifest : dict
    recipe : Recipe
        The stored sample at position i is ``recipe.order[i]``.
    names : Names
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.manifest = read_manifest(store)
        self.recipe = stored_recipe(self.manifest)
        self.names = Names.of(self.recipe)
        self._members = Members(store, self.manifest)
        self._ranges: NDArray[np.float32] | None = None
        self._backgrounds: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.manifest["samples"]

    def __getitem__(self, which: int | slice | ArrayLike) -> Batch:
        """Read the samples at these positions."""
        return self.__getitems__(which)

    def __getitems__(self, positions: int | slice | ArrayLike) -> Batch:
        """Read a batch.

        Raises
        ------
        IndexError
            When a position is not an integer or out of range.
        RunError
            When a file is missing or does not decode; the text names it.
        """
        rows = checked_indices(positions, len(self), "position")
        placements = self.recipe[self.recipe.order[rows]]
        names = self.names.samples(placements)
        side = self.recipe.canvas
        image = torch.empty((len(rows), side, side, 3), dtype=torch.uint8)
        mask = torch.empty((len(rows), side, side), dtype=torch.uint8)
        depth: list[NDArray] = []
        for i, (position, name) in enumerate(zip(rows.tolist(), names, strict=True)):
            files = self.read_sample(position, name)
            image[i] = torch.from_numpy(decode_picture(files["image"], f"{name} image"))
            mask[i] = torch.from_numpy(decode_picture(files["mask"], f"{name} mask"))
            if "depth" in files:
                depth.append(decode_picture(files["depth"], f"{name} depth"))
        batch = Batch(
            placements=placements,
            image=image.permute(0, 3, 1, 2),
            mask=mask[:, None],
            _backgrounds=self._all_backgrounds(),
        )
        if self.manifest["depth"]:
            codes = np.stack(depth) if depth else np.empty((0, side, side), np.uint8)
            batch.depth = self._decode_depth(codes, rows)
            batch.finite = torch.ones(len(rows), dtype=torch.bool)
        return batch

    def read_sample(
        self, position: int, name: str, fields: Sequence[str] | None = None
    ) -> dict[str, bytes]:
        """Return the bytes of each file (or of those in `fields`) of the sample at a position."""
        size = self.manifest["samples_per_part"]
        number, row = divmod(position, size)
        part = Part(number, number * size, min((number + 1) * size, len(self)))
        return {
            field: self._members.read(part, row, name, field)
            for field in fields or fields_of(self.manifest)
        }

    def _read(self, name: str) -> bytes:
        try:
            return self.store.read(name)
        except OSError as error:
            raise RunError(
                f"{name}: expected it in {self.store}, got none ({error}); "
                "run python -m evafast.inspect verify on it"
            ) from None

    def read_asset(self, name: str) -> NDArray[np.uint8]:
        """Return the pixels of a file of ``bg/`` or ``fg/``; RunError when it is not there."""
        return decode_picture(self._read(name), name)

    def placements_at(self, positions: slice | ArrayLike) -> Placements:
        """Return what was pasted where, without reading any picture."""
        return self.recipe[self.recipe.order[positions]]

    def stream(self, batch_size: int = 64, **options: int) -> StoredStream:
        """Return an iterable dataset of batches, split by rank and worker; see `StoredStream`."""
        from evafast.dataset.stream import StoredStream

        return StoredStream(self, batch_size, **options)

    @staticmethod
    def collate(batch: Batch) -> Batch:
        """Return the batch as it is: `__getitems__` made a whole one."""
        return batch

    def _decode_depth(self, codes: NDArray, rows: NDArray[np.int64]) -> torch.Tensor:
        from evafast.depth.encoding import EncodedDepth, decode

        if self._ranges is None:
            self._ranges = np.load(io.BytesIO(self._read(DEPTH_RANGE)))
        low, high = torch.from_numpy(self._ranges[rows]).unbind(1)
        encoded = EncodedDepth(
            codes=torch.from_numpy(codes), low=low, high=high,
            encoding=self.manifest["depth_encoding"],
            metres_per_unit=self.manifest["depth"]["metres_per_unit"],
        )  # fmt: skip
        return decode(encoded)[:, None]

    def _all_backgrounds(self) -> torch.Tensor:
        if self._backgrounds is None:
            pictures = [
                self.read_asset(f"bg/{self.names.background(i)}.png")
                for i in range(self.recipe.background_count)
            ]
            self._backgrounds = torch.from_numpy(np.stack(pictures))
        return self._backgrounds
