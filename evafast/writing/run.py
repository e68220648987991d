"""Run: one data set being written: plan, journal of parts, resume, manifest last."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.dataset.codec import encode_asset
from evafast.dataset.formats.layouts import LAYOUTS
from evafast.dataset.manifest import (
    MANIFEST_COPY,
    read_manifest,
    sound_manifest,
    write_manifest,
)
from evafast.dataset.naming import DEPTH_FOLDER, DEPTH_RANGE, MANIFEST, SAMPLES, Names
from evafast.dataset.sample import BankNames, Facts, Part
from evafast.dataset.statistics import PixelSums
from evafast.dataset.store import WORKING_FOLDER, Store
from evafast.errors import UsageError, quoted
from evafast.writing.plan import first_difference
from evafast.writing.samples_csv import write_samples

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.dataset.formats.layouts import Layout
    from evafast.sampling.recipe import Recipe

_PLAN = f"{WORKING_FOLDER}/plan.json"


def _journal_name(part: int) -> str:
    return f"{WORKING_FOLDER}/journal/{part:06d}.json"


class Run:
    """Writes a data set by its plan, or goes on with one.

    Use as a context manager: it holds the data set's lock.

    Parameters
    ----------
    store : Store
    plan : dict
        See `make_plan`.

    Raises
    ------
    UsageError
        When the store holds something that is not this very run, or another run is writing it.
        Nothing is touched then.
    """

    def __init__(self, store: Store, plan: dict) -> None:
        self.store = store
        self.plan = json.loads(json.dumps(plan))
        self.complete = False
        self._records: dict[int, dict] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Run:
        self._refuse_strangers()
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
        if self.complete:
            self._clear()
        self._stack.close()

    def _clear(self) -> None:
        """Clear the working folder of a data set that is complete, but for the manifest's copy."""
        if self.store.exists(MANIFEST):
            self.store.clear_working_folder(keep=MANIFEST_COPY)

    @property
    def parts(self) -> range:
        """Numbers of all parts."""
        return range(-(-self.plan["samples"] // self.plan["samples_per_part"]))

    def part(self, number: int) -> Part:
        """Return a part by number."""
        size = self.plan["samples_per_part"]
        return Part(number, number * size, min((number + 1) * size, self.plan["samples"]))

    def missing(self) -> Iterator[Part]:
        """Yield the parts that are not there yet."""
        for number in self.parts:
            if number not in self._records:
                yield self.part(number)

    @property
    def samples_there(self) -> int:
        """Samples in the parts that are there."""
        return sum(record["count"] for record in self._records.values())

    def record(self, part: Part, pieces: list[dict], facts: Facts) -> None:
        """Record a committed part; from here on a resumed run passes it over."""
        record = {
            "part": part.number, "count": len(part), "pieces": pieces, "facts": facts.to_json()
        }  # fmt: skip
        self.store.write(_journal_name(part.number), json.dumps(record).encode())
        self._records[part.number] = record

    def write_beside(self, bank: Bank, recipe: Recipe) -> None:
        """Write what needs no sample: the assets, lossless, and the list of samples.

        May run beside the sink. What is there already is kept only if it is just that.
        """
        names = Names.of(recipe)
        for i, pixels in enumerate(bank.backgrounds):
            self._write_asset(f"bg/{names.background(i)}.png", pixels)
        for i in range(bank.foreground_count):
            self._write_asset(f"fg/{names.foreground(i)}.png", bank.foreground(i))
        bank_names = BankNames(bank.background_names, bank.foreground_names)
        write_samples(self.store, recipe, self.plan["samples"], names, bank_names)

    def _write_asset(self, name: str, pixels: NDArray[np.uint8]) -> None:
        data = encode_asset(pixels)
        if not self.store.exists(name) or self.store.read(name) != data:
            self.store.write(name, data)

    def finish(self, layout: Layout, bank: Bank) -> dict:
        """Write what is left, the manifest last; return the manifest."""
        records = [self._records[number] for number in self.parts]
        facts = sum((Facts.from_json(record["facts"]) for record in records), Facts())
        extra = layout.finish(records)
        if len(facts.depth_range):
            self.store.write(DEPTH_RANGE, depth_range_file(facts))
        sums = asset_sums(bank) | facts.sums
        manifest = {
            **self.plan,
            "statistics": {name: self._statistics(name, s) for name, s in sums.items()},
            "files": {name: self._measured(name) for name in self._other_files(layout)},
            **extra,
            "parts": [{k: r[k] for k in ("part", "count", "pieces")} for r in records],
        }
        write_manifest(self.store, manifest)
        self.complete = True
        return manifest

    def _other_files(self, layout: Layout) -> list[str]:
        """Return the names of all files that are no part's."""
        names = Names(
            backgrounds=len(self.plan["backgrounds"]),
            foregrounds=len(self.plan["foregrounds"]),
            placements=self.plan["placements"],
        )
        return [
            SAMPLES,
            *([DEPTH_RANGE] if self.plan["depth"] else []),
            *layout.index_files,
            *(f"bg/{names.background(i)}.png" for i in range(names.backgrounds)),
            *(f"fg/{names.foreground(i)}.png" for i in range(names.foregrounds)),
        ]

    def _measured(self, name: str) -> dict:
        data = self.store.read(name)
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _statistics(self, name: str, sums: PixelSums) -> dict:
        """Return mean and spread: of 0..1, or of metres where depth is stored in millimetres."""
        in_metres = name == DEPTH_FOLDER and self.plan["depth_encoding"] == "metric16"
        scale = 1000.0 if in_metres else 255.0
        return {
            "images": sums.images, "unit": "metres" if in_metres else "0..1",
            "mean": sums.mean(scale), "pixel_std": sums.std(scale),
        }  # fmt: skip

    def manifest(self) -> dict:
        """Return the manifest of a complete data set."""
        return read_manifest(self.store)

    def _refuse_strangers(self) -> None:
        """Refuse, before anything is written, a folder that evafast did not begin."""
        if any(self.store.exists(name) for name in (_PLAN, MANIFEST_COPY)):
            return
        if self.store.exists(MANIFEST) and sound_manifest(self.store.read(MANIFEST)) is not None:
            return
        if strangers := self.store.names():
            raise UsageError(
                f"out: expected an empty folder or this very run, got {quoted(self.store)} with "
                f"{len(strangers)} other files, first {quoted(strangers[0])}; choose another --out"
            )

    def _open(self) -> None:
        if self.store.exists(MANIFEST) or self.store.exists(MANIFEST_COPY):
            there = read_manifest(self.store)
            self._refuse_difference({key: there.get(key) for key in self.plan}, "holds")
            self._records = {record["part"]: record for record in there["parts"]}
            self.complete = True
        elif self.store.exists(_PLAN):
            self._refuse_difference(self._begun_plan(), "was begun with")
            self._records = {r["part"]: r for r in self._journal()}
        else:
            self.store.write(_PLAN, json.dumps(self.plan).encode())

    def _begun_plan(self) -> dict:
        try:
            return json.loads(self.store.read(_PLAN))
        except ValueError:
            raise UsageError(
                f"out: {quoted(_PLAN)} in {quoted(self.store)} is damaged, so the run cannot go "
                "on; choose another --out"
            ) from None

    def _journal(self) -> Iterator[dict]:
        """Yield the records of the parts that are really there; the others are made again."""
        layout = LAYOUTS[self.plan["layout"]](self.store, "")
        for number in self.parts:
            if not self.store.exists(_journal_name(number)):
                continue
            try:
                record = json.loads(self.store.read(_journal_name(number)))
                if layout.is_there(record):
                    yield record
            except (ValueError, KeyError, TypeError):
                continue

    def _refuse_difference(self, there: dict, verb: str) -> None:
        if difference := first_difference(there, self.plan):
            raise UsageError(
                f"out: {quoted(self.store)} {verb} another run: {difference}; choose another "
                "--out, or give the same arguments and inputs"
            )


def depth_range_file(facts: Facts) -> bytes:
    """Return the file of each sample's least and greatest depth: without it codes are relative."""
    stream = io.BytesIO()
    np.save(stream, facts.depth_range)
    return stream.getvalue()


def asset_sums(bank: Bank) -> dict[str, PixelSums]:
    """Return the pixel sums of backgrounds (RGB) and cut-outs (RGBA)."""
    foregrounds = (PixelSums.of(bank.foreground(i)) for i in range(bank.foreground_count))
    return {"bg": PixelSums.of_batch(bank.backgrounds), "fg": sum(foregrounds, PixelSums())}
