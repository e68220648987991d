"""Run: write, resume or repair a dataset, with a journal of shards and the manifest last."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.codec import encode_asset
from evafast.dataset.formats import open_format
from evafast.dataset.manifest import (
    MANIFEST_COPY,
    FileRecord,
    Manifest,
    ShardRecord,
    intact_manifest,
    read_manifest,
    write_manifest,
)
from evafast.dataset.naming import DEPTH_RANGE, FOLDERS, MANIFEST, SAMPLES_CSV
from evafast.dataset.plan import Plan, Shard, first_difference
from evafast.dataset.statistics import PixelSums
from evafast.dataset.store import WORKING_FOLDER, Store
from evafast.errors import RunError, UsageError, quoted
from evafast.writing.encode import SliceMetadata
from evafast.writing.samples_csv import write_samples_csv

if TYPE_CHECKING:
    from evafast.assets.bank import Bank

_PLAN = f"{WORKING_FOLDER}/plan.json"


def _journal_name(shard: int) -> str:
    return f"{WORKING_FOLDER}/journal/{shard:06d}.json"


class Run:
    """Writes or resumes a dataset by its plan, or repairs a finished one.

    A context manager that holds the dataset's lock. Entering it raises `UsageError`, and touches
    nothing, if the store holds anything but this run or another process is writing to it.

    Attributes
    ----------
    complete : bool
        Whether the dataset is finished, with nothing to repair.
    manifest : Manifest or None
        The manifest, if the dataset is or once was finished.
    """

    def __init__(self, store: Store, plan: Plan, damaged: Collection[int] | None = None) -> None:
        """Write `plan` to a store or, if `damaged` is given, repair these shards."""
        self.store, self.plan = store, plan
        self.format = open_format(store, plan)
        self.complete = False
        self._damaged = damaged
        self.manifest: Manifest | None = None
        self._records: dict[int, ShardRecord] = {}
        self._metadata: dict[int, SliceMetadata] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Run:
        self._refuse_unexpected_files()
        with ExitStack() as stack:
            stack.enter_context(self.store.locked())
            try:
                self._open()
            except UsageError:
                self._clear()
                raise
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with self._stack:
            if self.complete:
                self._clear()

    def _clear(self) -> None:
        """Clear the working folder of a finished dataset, except for the manifest's copy."""
        if self.store.exists(MANIFEST):
            self.store.clear_working_folder(keep=MANIFEST_COPY)

    def missing(self) -> Iterator[Shard]:
        """Yield the shards still to be written."""
        for number in range(self.plan.shard_count):
            if number not in self._records:
                yield self.plan.shard(number)

    @property
    def samples_written(self) -> int:
        """Samples in the shards already written."""
        return sum(record.count for record in self._records.values())

    def check(self, shard: Shard, files: tuple[FileRecord, ...]) -> None:
        """In a repair, refuse a shard that differs from the one it replaces."""
        if self.manifest is None:
            return
        for made, lost in zip(files, self.manifest.shards[shard.number].files, strict=True):
            if made.sha256 != lost.sha256:
                raise RunError(
                    f"{made.file}: expected shard {shard.number} as it was, got other bytes; "
                    "repair it where it was made: depth rounds differently elsewhere"
                )

    def record(self, shard: Shard, files: tuple[FileRecord, ...], metadata: SliceMetadata) -> None:
        """Record a committed shard, which a resumed run then skips."""
        record = ShardRecord(number=shard.number, count=len(shard), files=files)
        if self.manifest is None:
            entry = {**record.to_json(), "facts": metadata.to_json()}
            self.store.write(_journal_name(shard.number), json.dumps(entry).encode())
        self._records[shard.number] = record
        self._metadata[shard.number] = metadata

    def write_assets(self, bank: Bank) -> None:
        """Write the lossless assets and the list of samples."""
        names = self.plan.names
        foregrounds = (bank.foreground(i) for i in range(bank.foreground_count))
        for file, pixels in (
            *zip(names.background_files(), bank.backgrounds, strict=True),
            *zip(names.foreground_files(), foregrounds, strict=True),
        ):
            self._write_asset(file, pixels)
        write_samples_csv(self.store, self.plan)

    def _write_asset(self, file: str, pixels: NDArray[np.uint8]) -> None:
        if self.manifest is not None:
            return  # intact in a repair; another OpenCV version might write other bytes
        data = encode_asset(pixels)
        if not self.store.exists(file) or self.store.read(file) != data:
            self.store.write(file, data)

    def finish(self, bank: Bank) -> Manifest:
        """Write the remaining files, the manifest last; return the manifest."""
        records = [self._records[number] for number in range(self.plan.shard_count)]
        shards, archives = self.format.finish(records)
        metadata = [self._metadata[n] for n in sorted(self._metadata)]
        if self.plan.depth and len(metadata) == len(records):
            stream = io.BytesIO()
            np.save(stream, np.concatenate([m.depth_range for m in metadata]))
            self.store.write(DEPTH_RANGE, stream.getvalue())
        if self.manifest is None:
            foregrounds = (PixelSums.of(bank.foreground(i)) for i in range(bank.foreground_count))
            sums = {
                "bg": PixelSums.of_batch(bank.backgrounds), "fg": sum(foregrounds, PixelSums()),
                **sum(metadata, SliceMetadata()).sums,
            }  # fmt: skip
            self.manifest = Manifest(
                plan=self.plan,
                statistics={name: self._statistics(name, s) for name, s in sums.items()},
                files=tuple(self._measured(name) for name in self._files_of_no_shard()),
                archives=archives,
                shards=tuple(shards),
            )
        write_manifest(self.store, self.manifest)
        self.complete = True
        return self.manifest

    def _files_of_no_shard(self) -> list[str]:
        return [
            SAMPLES_CSV,
            *([DEPTH_RANGE] if self.plan.depth else []),
            *self.format.index_files,
            *self.plan.names.background_files(),
            *self.plan.names.foreground_files(),
        ]

    def _measured(self, name: str) -> FileRecord:
        data = self.store.read(name)
        return FileRecord(file=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    def _statistics(self, name: str, sums: PixelSums) -> dict[str, Any]:
        """Return mean and deviation in 0..1, or in metres for depth stored in millimetres."""
        in_metres = name == FOLDERS["depth"] and self.plan.depth_encoding == "metric16"
        scale = 1000.0 if in_metres else 255.0
        return {
            "images": sums.images, "unit": "metres" if in_metres else "0..1",
            "mean": sums.mean(scale), "pixel_std": sums.std(scale),
        }  # fmt: skip

    def _refuse_unexpected_files(self) -> None:
        """Before anything is written, refuse a folder that evafast did not create."""
        if any(self.store.exists(name) for name in (_PLAN, MANIFEST_COPY)):
            return
        if intact_manifest(self.store, MANIFEST) is not None:
            return
        if unexpected := self.store.names():
            raise UsageError(
                f"out: expected an empty folder or this run's, got {quoted(self.store)} with "
                f"{len(unexpected)} other files, first {quoted(unexpected[0])}; choose another "
                "--out"
            )

    def _open(self) -> None:
        begun = self.store.exists(_PLAN)  # beside the copy alone: a run that ended between the two
        if self.store.exists(MANIFEST) or (self.store.exists(MANIFEST_COPY) and not begun):
            self.manifest = read_manifest(self.store)
            self._refuse_difference(self.manifest.plan.to_json(), "holds")
            damaged, shards = self._damaged or (), self.manifest.shards
            self._records = {s.number: s for s in shards if s.number not in damaged}
            self.complete = self._damaged is None
            if not self.complete:
                self.format.reopen(shards, damaged)
        elif begun:
            self._refuse_difference(self._begun_plan(), "was begun with")
            self._read_journal()
        else:
            self.store.write(_PLAN, json.dumps(self.plan.to_json()).encode())

    def _begun_plan(self) -> Any:
        try:
            return json.loads(self.store.read(_PLAN))
        except ValueError:
            raise UsageError(
                f"out: {quoted(_PLAN)} in {quoted(self.store)} is damaged, so the run cannot "
                "resume; choose another --out"
            ) from None

    def _read_journal(self) -> None:
        """Accept the journal's shards whose files are there; the others are written again."""
        for number in range(self.plan.shard_count):
            if not self.store.exists(_journal_name(number)):
                continue
            try:
                entry = json.loads(self.store.read(_journal_name(number)))
                record = ShardRecord.from_json(entry)
                metadata = SliceMetadata.from_json(entry["facts"])
                if not self.format.is_complete(record):
                    continue
            except (ValueError, KeyError, TypeError):
                continue
            self._records[number], self._metadata[number] = record, metadata

    def _refuse_difference(self, there: Any, verb: str) -> None:
        expected = json.loads(json.dumps(self.plan.to_json()))
        if difference := first_difference(there, expected):
            raise UsageError(
                f"out: {quoted(self.store)} {verb} another run: {difference}; choose another "
                "--out, or give the same arguments and inputs"
            )
