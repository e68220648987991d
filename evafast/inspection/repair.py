"""``repair``: make again exactly what is missing or damaged.

A sample is a pure function of recipe and index, and the assets lie in the data set without loss:
whatever is lost of the samples can be made again, with the same bytes. What evafast did not write
is never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evafast.dataset.codec import Codec, decode_picture, encode_asset
from evafast.dataset.formats.layouts import LAYOUTS
from evafast.dataset.manifest import MANIFEST_COPY, sound_manifest, write_manifest
from evafast.dataset.naming import DEPTH_RANGE, MANIFEST, SAMPLES, SHARD_INDEX
from evafast.dataset.reader import StoredDataset
from evafast.dataset.sample import BankNames, Facts, Part
from evafast.errors import RunError, UsageError
from evafast.inspection.verify import Finding, Verdict, exported_bank
from evafast.system.timing import StageClock
from evafast.writing.plan import first_difference
from evafast.writing.run import depth_range_file
from evafast.writing.samples_csv import write_samples

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.dataset.store import Store
    from evafast.depth import DepthEstimator


@dataclass(frozen=True, kw_only=True)
class RepairSources:
    """Where to take from what the data set itself cannot give.

    Attributes
    ----------
    backgrounds, foregrounds : Path or None
        The folders of the original run, for a damaged asset; the built-in pack is tried first.
    depth : str or None
        The depth model of the original run, where its name alone does not find it.
    device : str
        For depth; must be of the original run's type.
    """

    backgrounds: Path | None = None
    foregrounds: Path | None = None
    depth: str | None = None
    device: str = "auto"


def repair(
    store: Store, verdict: Verdict, sources: RepairSources,
    advance: Callable[[int], None] = lambda count: None,
) -> list[str]:  # fmt: skip
    """Mend what `verify` found.

    Parameters
    ----------
    store : Store
    verdict : Verdict
    sources : RepairSources
    advance : callable
        Told how many more samples were made.

    Returns
    -------
    list of str
        What was made again.

    Raises
    ------
    UsageError
        When something that is needed is not there; what was mended until then stays mended.
    RunError
        When what was made again is not what was lost.
    """
    mended: list[str] = []
    with store.locked():
        damaged = {f.name for f in verdict.damage}
        if damaged & {MANIFEST, MANIFEST_COPY}:
            mended += _mend_manifest(store)
        dataset = StoredDataset(store)
        assets = sorted(n for n in damaged if n.startswith(("bg/", "fg/")))
        if assets:
            mended += _mend_assets(dataset, assets, sources)
        parts = sorted({f.part for f in verdict.damage if f.part is not None})
        archives = damaged & set(dataset.manifest.get("archives", {}))
        if parts or archives or DEPTH_RANGE in damaged:
            mended += _mend_parts(dataset, parts, damaged, sources, advance)
        mended += _mend_small_files(dataset, damaged)
        store.clear_working_folder(keep=MANIFEST_COPY)
    return mended


def unmendable(findings: list[Finding]) -> list[Finding]:
    """Return the findings that a repair leaves as they are: foreign files."""
    return [f for f in findings if f.kind == "foreign"]


def _mend_manifest(store: Store) -> list[str]:
    for name in (MANIFEST, MANIFEST_COPY):
        sound = sound_manifest(store.read(name)) if store.exists(name) else None
        if sound is not None:
            write_manifest(store, sound)
            return [f"{MANIFEST} and its copy"]
    raise UsageError(
        f"manifest: expected {MANIFEST} or its copy {MANIFEST_COPY} sound, got neither; run the "
        "command that made the data set into another folder"
    )


def _mend_assets(dataset: StoredDataset, names: list[str], sources: RepairSources) -> list[str]:
    """Make assets again: a cut-out from its mirror, anything else from the original folders."""
    bank: Bank | None = None
    manifest = dataset.manifest
    foregrounds = manifest["foregrounds"]
    for name in names:
        kind, number = name[:2], int(name[5:-4]) - 1
        entry = manifest["backgrounds" if kind == "bg" else "foregrounds"][number]
        pixels = _from_mirror(dataset, number, len(foregrounds)) if kind == "fg" else None
        if pixels is None or _digest(pixels) != entry["sha256"]:
            bank = bank or _original_bank(manifest, sources, entry)
            pixels = next((p for p in _assets(bank, kind) if _digest(p) == entry["sha256"]), None)
        if pixels is None:
            raise UsageError(
                f"asset: expected the picture {entry['name']!r} as it was, got none with its pixels; "
                "give the original folders with --backgrounds and --foregrounds"
            )
        dataset.store.write(name, encode_asset(pixels))
    return names


def _assets(bank: Bank, kind: str) -> Iterator[np.ndarray]:
    if kind == "bg":
        yield from bank.backgrounds
    else:
        yield from (bank.foreground(i) for i in range(bank.foreground_count))


def _from_mirror(dataset: StoredDataset, number: int, count: int) -> np.ndarray | None:
    twin = (number + count // 2) % count
    try:
        file = f"fg/{dataset.names.foreground(twin)}.png"
        return np.ascontiguousarray(decode_picture(dataset.store.read(file), file)[:, ::-1])
    except (OSError, RunError):
        return None


def _original_bank(manifest: dict, sources: RepairSources, entry: dict) -> Bank:
    from evafast.assets.bank import Bank
    from evafast.assets.loading import AssetConfig

    settings = manifest["preprocessing"]
    config = AssetConfig(**{**settings, "min_foreground": tuple(settings["min_foreground"])})
    if sources.backgrounds and sources.foregrounds:
        return Bank.from_folders(sources.backgrounds, sources.foregrounds, config)
    builtin = Bank.builtin(config)
    hashes = builtin.hashes()
    if entry["sha256"] not in hashes["backgrounds"] + hashes["foregrounds"]:
        raise UsageError(
            f"asset: expected the original of {entry['name']!r}, got nothing to make it from; give "
            "--backgrounds and --foregrounds, the folders of the original run"
        )
    return builtin


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _mend_parts(
    dataset: StoredDataset, parts: list[int], damaged: set[str], sources: RepairSources,
    advance: Callable[[int], None],
) -> list[str]:  # fmt: skip
    from evafast.compositing import Compositor
    from evafast.pipeline import Pipeline
    from evafast.writing.sink import Sink
    from evafast.writing.transfer import DepthEncoding, HostTransfer

    manifest, store, clock = dataset.manifest, dataset.store, StageClock()
    codec = Codec(
        image_format=manifest["image_format"], quality=manifest["quality"] or Codec.quality
    )
    if codec.encoder != manifest["encoder"]:
        raise UsageError(
            f"encoder: expected {manifest['encoder']}, which made this data set, got "
            f"{codec.encoder}, whose bytes differ; install that version and repair again"
        )
    bank = exported_bank(dataset)
    depth = _original_depth(manifest, sources)
    batch_size = manifest["depth"]["batch_size"] if manifest["depth"] else 250
    encoding = DepthEncoding(manifest["depth_encoding"], depth.metres_per_unit) if depth else None
    layout = LAYOUTS[manifest["layout"]](store, codec.image_suffix)
    expected = {record["part"]: record for record in manifest["parts"]}
    ranges: dict[int, Facts] = {}

    def recorded(part: Part, pieces: list[dict], facts: Facts) -> None:
        ranges[part.number] = facts

    def refuse_other_bytes(part: Part, pieces: list[dict]) -> None:
        for made, lost in zip(pieces, expected[part.number]["pieces"], strict=True):
            if made["sha256"] != lost["sha256"]:
                raise RunError(
                    f"{made['file']}: expected part {part.number} as it was, got other bytes; depth "
                    "rounds otherwise on another kind of machine: repair where it was made"
                )

    everything = range(len(manifest["parts"]))
    again = list(everything) if DEPTH_RANGE in damaged else parts
    compositor = Compositor(bank, device="cpu", mask=manifest["mask"])
    pipeline = Pipeline(bank, dataset.recipe, compositor, depth, clock=clock)
    bank_names = BankNames(bank.background_names, bank.foreground_names)
    with Sink(
        layout, codec, dataset.names, bank_names, HostTransfer(encoding, clock=clock),
        workers=2, clock=clock, on_part=recorded, before_commit=refuse_other_bytes,
        on_samples=advance,
    ) as sink:  # fmt: skip
        for number in again:
            size = manifest["samples_per_part"]
            part = Part(number, number * size, number * size + expected[number]["count"])
            sink.begin(part)
            indices = dataset.recipe.order[part.start : part.stop]
            for batch in pipeline.batches(indices, batch_size):
                sink.write(batch)
            sink.commit()
    if manifest["layout"] == "zip":
        layout.rejoin(manifest["parts"], again)  # type: ignore[attr-defined]
    if DEPTH_RANGE in damaged:
        facts = sum((ranges[number] for number in everything), Facts())
        store.write(DEPTH_RANGE, depth_range_file(facts))
    return [f"part {number}" for number in again] or ["the archives' directories"]


def _original_depth(manifest: dict, sources: RepairSources) -> DepthEstimator | None:
    identity = manifest["depth"]
    if identity is None:
        return None
    from evafast.compositing import choose_backend
    from evafast.depth import DepthEstimator

    device = choose_backend("auto", sources.device).device
    depth = DepthEstimator.load(
        sources.depth or identity["model"], device=device, precision=identity["precision"],
        input_size=identity["input_size"],
    )  # fmt: skip
    here = depth.identity()
    there = {key: identity.get(key) for key in here}
    if difference := first_difference(there, here):
        raise UsageError(
            f"depth: expected the model that made this data set, got another: {difference}; give it "
            "with --depth, on a device of the same type with --device"
        )
    return depth


def _mend_small_files(dataset: StoredDataset, damaged: set[str]) -> list[str]:
    manifest, store = dataset.manifest, dataset.store
    mended = []
    if SAMPLES in damaged:
        files = BankNames(
            tuple(b["name"] for b in manifest["backgrounds"]),
            tuple(f["name"] for f in manifest["foregrounds"] if not f["mirrored"]),
        )
        write_samples(store, dataset.recipe, len(dataset), dataset.names, files)
        mended.append(SAMPLES)
    if SHARD_INDEX in damaged:
        LAYOUTS[manifest["layout"]](store, "").finish(manifest["parts"])
        mended.append(SHARD_INDEX)
    return mended
