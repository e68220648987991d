"""``repair``: regenerate exactly what is missing or damaged.

A sample is a pure function of recipe and index, and the dataset holds its assets losslessly, so
repairing is resuming the run with only the damaged shards missing. Files that evafast did not write
are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.assets.bank import Bank
from evafast.assets.preprocess import AssetConfig
from evafast.compositing import Compositor, choose_backend
from evafast.dataset.codec import encode_asset
from evafast.dataset.manifest import MANIFEST_COPY, any_manifest, write_manifest
from evafast.dataset.naming import DEPTH_RANGE, MANIFEST
from evafast.dataset.plan import DepthEntry, Plan, first_difference
from evafast.dataset.reader import StoredDataset
from evafast.errors import RunError, UsageError, quoted
from evafast.inspection.verify import Report, exported_bank, pixels_sha256
from evafast.pipeline import Pipeline
from evafast.system.console import Console
from evafast.system.threads import usable_cores
from evafast.writing.job import write_missing
from evafast.writing.run import Run

if TYPE_CHECKING:
    from evafast.dataset.store import Store
    from evafast.depth import DepthEstimator


@dataclass(frozen=True, kw_only=True)
class RepairSources:
    """Where to find what the dataset has lost: the folders, model and device of its run.

    Defaults to the built-in pack, the model named in the manifest and any device.
    """

    backgrounds: Path | None = None
    foregrounds: Path | None = None
    depth: str | None = None
    device: str = "auto"


def repair(
    store: Store, report: Report, sources: RepairSources, console: Console | None = None
) -> list[str]:
    """Repair what `verify` found; return what was regenerated.

    Raise `UsageError` if a source is missing; what was repaired before that stays repaired. Raise
    `RunError` if regenerated files differ from the lost ones.
    """
    damaged = {finding.name for finding in report.damage}
    done = []
    assets = sorted(name for name in damaged if name.startswith(("bg/", "fg/")))
    with store.locked():
        if damaged & {MANIFEST, MANIFEST_COPY}:
            done.append(_restore_manifest(store))
        dataset = StoredDataset(store)
        _restore_assets(dataset, assets, sources)
        done += assets
        store.clear_working_folder(keep=MANIFEST_COPY)
    plan = dataset.plan
    shards = {finding.shard for finding in report.damage if finding.shard is not None}
    if DEPTH_RANGE in damaged:
        shards = set(range(plan.shard_count))
    rest = damaged - {MANIFEST, MANIFEST_COPY, *assets}
    if rest:
        bank = exported_bank(dataset)
        if shards and plan.codec.encoder != plan.encoder:
            raise UsageError(
                f"encoder: expected {plan.encoder}, which made this dataset, got "
                f"{plan.codec.encoder}, whose bytes may differ; install the former and repair again"
            )
        depth = _original_depth(plan.depth, sources) if shards and plan.depth else None
        compositor = Compositor(bank, device="cpu", mask=plan.mask, parallel=False)
        pipeline = Pipeline(bank, plan.recipe, compositor, depth)
        with store.one_line_errors(), Run(store, plan, damaged=shards) as run:
            write_missing(
                run, pipeline, workers=usable_cores(),
                batch_size=plan.depth.batch_size if plan.depth else 250,
                console=console or Console(quiet=True),
            )  # fmt: skip
        done += [f"shard {number}" for number in sorted(shards)]
        done += sorted(rest & {f.name for f in report.damage if f.shard is None})
    return done


def _restore_manifest(store: Store) -> str:
    manifest = any_manifest(store)
    if manifest is None:
        raise UsageError(
            f"manifest: expected {MANIFEST} or its copy {MANIFEST_COPY} intact, got neither; run "
            "the command that made the dataset into another folder"
        )
    write_manifest(store, manifest)
    return f"{MANIFEST} and its copy"


def _restore_assets(dataset: StoredDataset, files: Sequence[str], sources: RepairSources) -> None:
    """Restore assets: a foreground from its mirror if intact, others from the original folders."""
    plan = dataset.plan
    originals: dict[str, NDArray[np.uint8]] = {}
    for file in files:
        entry = plan.assets[file]
        pixels = _from_mirror(dataset, file)
        if pixels is None or pixels_sha256(pixels) != entry.sha256:
            originals = originals or {pixels_sha256(p): p for p in _originals(plan, sources)}
            pixels = originals.get(entry.sha256)
        if pixels is None:
            raise UsageError(
                f"asset: expected the original of {quoted(entry.name)}, got none with its pixels; "
                "give --backgrounds and --foregrounds, the folders of the original run"
            )
        dataset.store.write(file, encode_asset(pixels))


def _from_mirror(dataset: StoredDataset, file: str) -> NDArray[np.uint8] | None:
    files = dataset.names.foreground_files()
    if file in files:
        with suppress(RunError):
            return dataset.read_asset(files[files.index(file) - len(files) // 2])[:, ::-1]
    return None


def _originals(plan: Plan, sources: RepairSources) -> Iterator[NDArray[np.uint8]]:
    config = AssetConfig.from_preprocessing(plan.preprocessing)
    if sources.backgrounds and sources.foregrounds:
        bank = Bank.from_folders(sources.backgrounds, sources.foregrounds, config)
    else:
        bank = Bank.builtin(config)
    yield from bank.backgrounds
    yield from (bank.foreground(i) for i in range(bank.foreground_count))


def _original_depth(entry: DepthEntry, sources: RepairSources) -> DepthEstimator:
    from evafast.depth import DepthEstimator

    depth = DepthEstimator.load(
        sources.depth or entry.model, device=choose_backend("auto", sources.device).device,
        precision=entry.precision, input_size=entry.input_size,
    )  # fmt: skip
    here = {**depth.identity(), "batch_size": entry.batch_size}
    if difference := first_difference(here, entry.to_json()):
        raise UsageError(
            f"depth: expected the model that made this dataset, got another: {difference}; give it "
            "with --depth, on a device of the same type with --device"
        )
    return depth
