"""``verify``: check that every file exists, is intact and matches the recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.assets.bank import Bank
from evafast.compositing import Compositor
from evafast.dataset.codec import decode_image
from evafast.dataset.formats import open_format
from evafast.dataset.manifest import MANIFEST_COPY, FileRecord, intact_manifest, read_manifest
from evafast.dataset.naming import MANIFEST
from evafast.dataset.reader import StoredDataset
from evafast.errors import RunError, UsageError, quoted
from evafast.inspection.stats import statistics

if TYPE_CHECKING:
    from evafast.dataset.manifest import Manifest
    from evafast.dataset.store import Store


@dataclass(frozen=True)
class Finding:
    """A file, or sample, that is not as it should be.

    `kind` is missing, damaged, mismatch (intact, but not what the recipe makes) or unexpected;
    regenerating `shard`, if any, repairs it.
    """

    kind: str
    name: str
    what: str
    shard: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.name)}: {self.what}"


@dataclass
class Report:
    """What `verify` found, and how much it checked."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    decoded: int = 0
    recomposited: int = 0

    @property
    def damage(self) -> list[Finding]:
        """Findings other than unexpected files, which do no harm."""
        return [f for f in self.findings if f.kind != "unexpected"]

    def add(self, kind: str, name: str, what: str, shard: int | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, name, what, shard))


def verify(
    store: Store, *, recomposite: int = 200, decode: bool = True,
    advance: Callable[[int], object] = lambda count: None,
) -> Report:  # fmt: skip
    """Check a finished dataset; UsageError if there is none.

    Every file is hashed; with `decode` every image is decoded; `recomposite` samples are
    regenerated from the recipe and the exported assets. `advance` is called with the number of
    samples just hashed, or decoded.
    """
    report = Report()
    manifest = _check_manifest(store, report)
    if manifest is None:
        return report
    expected = {MANIFEST}
    for record in manifest.files:
        expected.add(record.file)
        _check_file(store, report, record)
    format_ = open_format(store, manifest.plan)
    for shard in manifest.shards:
        for record in format_.files(shard):
            expected.add(record.file)
            _check_file(store, report, record, shard.number)
        advance(shard.count)
    for record in manifest.archives:
        if not any(f.name == record.file for f in report.findings):
            _check_file(store, report, record)
    for name in store.names():
        if name not in expected:
            report.add("unexpected", name, "not part of this dataset; left untouched")
    if not report.damage:
        dataset = StoredDataset(store)
        for name, pixels in exported_assets(dataset):
            if pixels is None:
                report.add("mismatch", name, "differs from the original asset")
        if decode:
            try:
                table = statistics(dataset, advance)
                report.decoded = sum(entry.sums.images for entry in table.values())
            except RunError as error:
                report.add("damaged", "samples", str(error))
        if not report.damage and recomposite:
            _recomposite(dataset, report, recomposite)
    return report


def _check_manifest(store: Store, report: Report) -> Manifest | None:
    """Return the manifest, or its copy if only that is intact, or None."""
    if not store.exists(MANIFEST) and not store.exists(MANIFEST_COPY):
        return read_manifest(store)  # raises
    manifest, copy = (intact_manifest(store, name) for name in (MANIFEST, MANIFEST_COPY))
    for name, found in ((MANIFEST, manifest), (MANIFEST_COPY, copy)):
        if not store.exists(name):
            report.add("missing", name, "not there")
        elif found is None:
            report.add("damaged", name, "differs from what was written")
    if manifest and copy and manifest != copy:
        report.add("damaged", MANIFEST_COPY, "differs from the manifest")
    return manifest or copy


def _check_file(store: Store, report: Report, record: FileRecord, shard: int | None = None) -> None:
    """Check size and SHA-256 of a file, or of the range that the record names."""
    report.files += 1
    size = store.size(record.file)
    if size is None:
        report.add("missing", record.file, "not there", shard)
    elif record.sha256 is None:
        return  # its checksum list is damaged, which is a separate finding
    elif record.offset is None and record.size not in (None, size):
        what = f"expected {record.size:,} bytes, got {size:,}"
        report.add("damaged", record.file, what, shard)
    else:
        digest = hashlib.sha256()
        for chunk in store.chunks(record.file, record.offset or 0, record.size):
            digest.update(chunk)
        if digest.hexdigest() != record.sha256:
            where = "" if record.offset is None else f" at byte {record.offset:,}"
            report.add("damaged", record.file, f"its SHA-256 differs{where}", shard)


def exported_assets(dataset: StoredDataset) -> Iterator[tuple[str, NDArray[np.uint8] | None]]:
    """Yield every file of ``bg/`` and ``fg/`` with its pixels, None if they are damaged."""
    for file, entry in dataset.plan.assets.items():
        pixels: NDArray[np.uint8] | None = None
        with suppress(RunError):
            pixels = dataset.read_asset(file)
        intact = pixels is not None and pixels_sha256(pixels) == entry.sha256
        yield file, pixels if intact else None


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an asset's pixels, as in the manifest."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def exported_bank(dataset: StoredDataset) -> Bank:
    """Return a dataset's bank, built from its own assets; `UsageError` if one is lost."""
    pixels: dict[str, list[NDArray[np.uint8]]] = {"bg": [], "fg": []}
    for file, image in exported_assets(dataset):
        if image is None:
            raise UsageError(
                f"asset: expected {file} as it was written, got another or none; run "
                "evafast inspect repair on the dataset first"
            )
        pixels[file[:2]].append(image)
    plan = dataset.plan
    originals = [f.name for f in plan.foregrounds if not f.mirrored]
    return Bank.from_arrays(  # the second half of the foregrounds are the mirrors, verified above
        pixels["bg"], pixels["fg"][: len(originals)],
        background_names=[b.name for b in plan.backgrounds], foreground_names=originals,
    )  # fmt: skip


def _recomposite(dataset: StoredDataset, report: Report, count: int) -> None:
    """Regenerate some samples with the reference backend and compare them with the files."""
    plan, codec = dataset.plan, dataset.plan.codec
    same_encoder = codec.encoder == plan.encoder
    exact = same_encoder or plan.image_format == "png"
    compositor = Compositor(exported_bank(dataset), backend="pillow", device="cpu", mask=plan.mask)
    positions = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(np.int64)
    for position in positions.tolist():
        placements = dataset.placements_at([position])
        (name,) = dataset.names.samples(placements)
        made = compositor(placements)
        files = dataset.read_files(position, name, fields=("mask", "image"))
        mask, image = (decode_image(data, name) for data in files.values())
        expected = made.image[0].numpy()
        if plan.image_format == "jpeg" and same_encoder:
            expected = decode_image(codec.encode_images(made.image.numpy())[0], name)
        same = np.array_equal(mask, made.mask[0].numpy())
        if not same or (exact and not np.array_equal(image, expected)):
            what = "differs from what the recipe and the assets give"
            report.add("mismatch", name, what, position // plan.samples_per_shard)
        report.recomposited += 1
