"""Awkward files: each is used, ignored, or skipped for the reason that its case gives."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from hostile import CASES, IGNORED, LOADED

from evafast import Bank
from evafast.assets.decode import Decoded
from evafast.assets.preprocess import AssetConfig, prepare_background, prepare_foreground
from evafast.errors import quoted

LOSS = 6
"""Mean difference per channel that lossy formats may cost; Adobe RGB taken as sRGB costs 11."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    for case in CASES:
        case.write(root / case.name)
    return root


@pytest.fixture(scope="module")
def loaded(folder):
    """The bank of that folder as backgrounds and as foregrounds, and what was logged."""
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = logging.getLogger("evafast")
    logger.addHandler(handler)
    try:
        return Bank.from_folders(folder, folder), records
    finally:
        logger.removeHandler(handler)


def outcome(case, kind, folder):
    """Return what the case expects; root reads the unreadable file."""
    if case.name == "unreadable.png" and os.access(folder / case.name, os.R_OK):
        return LOADED
    return getattr(case, kind)


@pytest.mark.parametrize("kind", ["background", "foreground"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(folder, loaded, case, kind):
    bank, log = loaded
    names = getattr(bank, f"{kind}_names")
    reasons = [s.reason for s in bank.skipped if (s.kind, s.name) == (kind, case.name)]
    warnings = [line for line in log if line.startswith(f"{kind} {quoted(case.name)}")]
    expected = outcome(case, kind, folder)
    if expected == LOADED:
        assert case.name in names
        assert reasons == []
        notes = [case.note] if case.note else []
        if kind == "background" and case.shows and case.shows.has_transparency_data:
            notes.append("transparent: flattened onto white")
        prefix = f"{kind} {quoted(case.name)}: "
        assert warnings == [prefix + note for note in notes] or case.name == "unreadable.png"
    elif expected == IGNORED:
        assert case.name not in names
        assert reasons == warnings == []
    else:
        assert case.name not in names
        assert len(reasons) == len(warnings) == 1
        assert reasons[0].startswith(expected)


@pytest.mark.parametrize("case", [c for c in CASES if c.shows], ids=lambda case: case.name)
def test_pixels_are_those_of_the_image_in_the_file(loaded, case):
    bank, _ = loaded
    if case.background == LOADED:
        image = case.shows.convert("RGBA" if case.shows.has_transparency_data else "RGB")
        expected = prepare_background(Decoded(image), AssetConfig()).astype(int)
        pixels = bank.backgrounds[bank.background_names.index(case.name)]
        assert np.abs(pixels - expected).mean() < LOSS
    if case.foreground == LOADED:
        expected = prepare_foreground(Decoded(case.shows.convert("RGBA")), AssetConfig())
        pixels = bank.foreground(bank.foreground_names.index(case.name))
        assert pixels.shape == expected.shape
        visible = expected[..., 3] == 255
        assert np.abs(pixels[visible] - expected[visible].astype(int)).mean() < LOSS


def test_a_bomb_costs_no_memory(folder):
    """In its own process, whose peak memory is this load's alone."""
    code = (
        "import resource, sys\n"
        "from evafast import Bank\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "Bank.from_folders(sys.argv[1], sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 300_000, "KiB at the peak"
