"""``verify``: is every file there, whole, and what the recipe says?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evafast.dataset.codec import Codec, decode_picture
from evafast.dataset.manifest import MANIFEST_COPY, read_manifest, sound_manifest
from evafast.dataset.members import fields_of, sample_file
from evafast.dataset.naming import MANIFEST, checksum_name
from evafast.dataset.reader import StoredDataset, stored_recipe
from evafast.errors import RunError, UsageError, quoted

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.dataset.store import Store

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    kind : {'missing', 'damaged', 'foreign', 'untrue'}
        ``untrue``: whole, but not the picture that the recipe makes.
    name : str
        The file, or the sample.
    what : str
        More in a few words.
    part : int or None
        The part that would mend it.
    """

    kind: str
    name: str
    what: str
    part: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.name)}: {self.what}"


@dataclass
class Verdict:
    """What `verify` found, and how much it looked at."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    decoded: int = 0
    recomposited: int = 0

    @property
    def damage(self) -> list[Finding]:
        """Findings other than foreign files, which harm nothing."""
        return [f for f in self.findings if f.kind != "foreign"]


def verify(
    store: Store, *, recomposite: int = 200, decode: bool = True,
    advance: Callable[[int], None] = lambda count: None,
) -> Verdict:  # fmt: skip
    """Check a finished data set.

    Parameters
    ----------
    store : Store
    recomposite : int
        Samples to make again from the recipe and the exported assets.
    decode : bool
        Decode every picture; without, only hashes and counts are checked.
    advance : callable
        Told how many more samples were looked at.

    Returns
    -------
    Verdict

    Raises
    ------
    UsageError
        When there is no finished data set.
    """
    verdict = Verdict()
    there = store.exists(MANIFEST)
    copy = sound_manifest(store.read(MANIFEST_COPY)) if store.exists(MANIFEST_COPY) else None
    if there and sound_manifest(store.read(MANIFEST)) is None:
        verdict.findings.append(Finding("damaged", MANIFEST, "not what was written"))
    elif not there and copy is not None:
        verdict.findings.append(Finding("missing", MANIFEST, "not there"))
    if verdict.findings:
        if copy is None:
            return verdict
        manifest = copy
    else:
        manifest = read_manifest(store)
        _check_copy(store, verdict)
    expected = {MANIFEST}
    for name, wanted in manifest["files"].items():
        expected.add(name)
        _check_file(store, verdict, name, wanted)
    for part in manifest["parts"]:
        expected |= _check_part(store, verdict, manifest, part)
        advance(part["count"])
    for name, wanted in manifest.get("archives", {}).items():
        if not any(f.name == name for f in verdict.findings):
            _check_file(store, verdict, name, wanted)
    for name in store.names():
        if name not in expected:
            verdict.findings.append(Finding("foreign", name, "not of this data set; left alone"))
    if not verdict.damage:
        dataset = StoredDataset(store)
        for name in untrue_assets(dataset):
            verdict.findings.append(Finding("untrue", name, "not the asset that was read"))
        if decode:
            _decode_all(dataset, verdict, advance)
        if not verdict.damage and recomposite:
            _recomposite(dataset, verdict, recomposite)
    return verdict


def _check_copy(store: Store, verdict: Verdict) -> None:
    if not store.exists(MANIFEST_COPY):
        verdict.findings.append(Finding("missing", MANIFEST_COPY, "the manifest's copy"))
    elif store.read(MANIFEST_COPY) != store.read(MANIFEST):
        verdict.findings.append(Finding("damaged", MANIFEST_COPY, "not the manifest's copy"))


def _check_file(
    store: Store, verdict: Verdict, name: str, wanted: dict, part: int | None = None
) -> bool:
    """Check size and SHA-256 of a file, or of the stretch of it that `wanted` names."""
    verdict.files += 1
    if not store.exists(name):
        verdict.findings.append(Finding("missing", name, "not there", part))
        return False
    where = f" at byte {wanted['offset']:,}" if "offset" in wanted else ""
    if "offset" not in wanted and store.size(name) != wanted["size"]:
        what = f"expected {wanted['size']:,} bytes, got {store.size(name):,}"
        verdict.findings.append(Finding("damaged", name, what, part))
        return False
    digest = hashlib.sha256()
    for chunk in _stretch(store, name, wanted.get("offset", 0), wanted["size"]):
        digest.update(chunk)
    if digest.hexdigest() != wanted["sha256"]:
        what = f"its SHA-256 is another{where}"
        verdict.findings.append(Finding("damaged", name, what, part))
        return False
    return True


def _stretch(store: Store, name: str, start: int, size: int) -> Iterator[bytes]:
    with store.open(name) as stream:
        stream.seek(start)
        while size > 0 and (chunk := stream.read(min(size, _CHUNK))):
            size -= len(chunk)
            yield chunk


def _check_part(store: Store, verdict: Verdict, manifest: dict, part: dict) -> set[str]:
    """Check a part's files; return their names."""
    expected = set()
    for piece in part["pieces"]:
        expected.add(piece["file"])
        _check_file(store, verdict, piece["file"], piece, part["part"])
    if manifest["layout"] == "folder":
        expected |= _check_listed(store, verdict, manifest, part)
    return expected


def _check_listed(store: Store, verdict: Verdict, manifest: dict, part: dict) -> set[str]:
    """Check the files of a part of the folder layout against their checksum list."""
    recipe = stored_recipe(manifest)
    size = manifest["samples_per_part"]
    start = part["part"] * size
    dataset_names = _sample_names(manifest, start, start + part["count"])
    expected = {
        sample_file(manifest, name, f) for name in dataset_names for f in fields_of(manifest)
    }
    assert len(recipe) == manifest["samples_in_recipe"]
    listing = checksum_name(part["part"])
    if any(f.name == listing for f in verdict.findings):
        return expected
    digests = {}
    for line in store.read(listing).decode().splitlines():
        digest, _, name = line.partition("  ")
        digests[name] = digest
    for name in sorted(expected):
        verdict.files += 1
        try:
            data = store.read(name)
        except OSError:
            verdict.findings.append(Finding("missing", name, "not there", part["part"]))
            continue
        if hashlib.sha256(data).hexdigest() != digests.get(name):
            what = "its SHA-256 is another"
            verdict.findings.append(Finding("damaged", name, what, part["part"]))
    return expected


def _sample_names(manifest: dict, start: int, stop: int) -> list[str]:
    from evafast.dataset.naming import Names

    recipe = stored_recipe(manifest)
    return Names.of(recipe).samples(recipe[recipe.order[start:stop]])


def _decode_all(dataset: StoredDataset, verdict: Verdict, advance: Callable[[int], None]) -> None:
    from evafast.inspection.stats import statistics

    try:
        table = statistics(dataset)
    except RunError as error:
        verdict.findings.append(Finding("damaged", "samples", str(error)))
        return
    verdict.decoded = sum(entry.sums.images for entry in table.values())


def untrue_assets(dataset: StoredDataset) -> list[str]:
    """Return the files of bg/ and fg/ that are missing or not of the pixels in the manifest."""
    return [file for file, pixels in _exported(dataset) if pixels is None]


def _exported(dataset: StoredDataset) -> Iterator[tuple[str, np.ndarray | None]]:
    manifest, names = dataset.manifest, dataset.names
    for kind, named, entries in (
        ("bg", names.background, manifest["backgrounds"]),
        ("fg", names.foreground, manifest["foregrounds"]),
    ):
        for i, entry in enumerate(entries):
            file = f"{kind}/{named(i)}.png"
            try:
                pixels = dataset.read_asset(file)
            except RunError:
                yield file, None
                continue
            sound = hashlib.sha256(pixels.tobytes()).hexdigest() == entry["sha256"]
            yield file, pixels if sound else None


def exported_bank(dataset: StoredDataset) -> Bank:
    """Return the bank that the data set was made from, from its own bg/ and fg/.

    Raises
    ------
    UsageError
        When an asset is missing or its pixels are not those that the manifest names.
    """
    from evafast.assets.bank import Bank

    manifest = dataset.manifest
    pixels: dict[str, list] = {"bg": [], "fg": []}
    for file, picture in _exported(dataset):
        if picture is None:
            raise UsageError(
                f"asset: expected {file} as it was written, got another or none; run "
                "python -m evafast.inspect repair on the data set first"
            )
        pixels[file[:2]].append(picture)
    originals = [f["name"] for f in manifest["foregrounds"] if not f["mirrored"]]
    return Bank.from_arrays(
        pixels["bg"],
        pixels["fg"][: len(originals)],  # their mirrors were just seen to be their mirrors' pixels
        background_names=[b["name"] for b in manifest["backgrounds"]],
        foreground_names=originals,
    )


def _recomposite(dataset: StoredDataset, verdict: Verdict, count: int) -> None:
    """Make some samples again with the reference backend and hold the files against them."""
    from evafast.compositing import Compositor

    manifest = dataset.manifest
    bank = exported_bank(dataset)
    codec = Codec(
        image_format=manifest["image_format"], quality=manifest["quality"] or Codec.quality
    )
    same_encoder = codec.encoder == manifest["encoder"]
    compositor = Compositor(bank, backend="pillow", device="cpu", mask=manifest["mask"])
    count = min(count, len(dataset))
    positions = np.unique(np.linspace(0, len(dataset) - 1, count).astype(np.int64))
    placements = dataset.placements_at(positions)
    for row, (position, name) in enumerate(
        zip(positions.tolist(), dataset.names.samples(placements), strict=True)
    ):
        made = compositor(placements[row : row + 1])
        files = dataset.read_sample(position, name)
        mask = decode_picture(files["mask"], name)
        wanted = made.image[0].numpy()
        if manifest["image_format"] == "jpeg" and same_encoder:
            wanted = decode_picture(codec.encode_images(made.image.numpy())[0], name)
        image = decode_picture(files["image"], name)
        exact = manifest["image_format"] == "png" or same_encoder
        part = position // manifest["samples_per_part"]
        if not np.array_equal(mask, made.mask[0].numpy()) or (
            exact and not np.array_equal(image, wanted)
        ):
            what = "not what the recipe and the assets make"
            verdict.findings.append(Finding("untrue", name, what, part))
        verdict.recomposited += 1
