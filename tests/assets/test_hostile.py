"""Every row of the table of hostile files, where that table is at hand."""

import csv
import subprocess
import sys
import tarfile

import pytest
from pictures import REAL

from evafast.assets.loading import AssetConfig, load_folders

pytestmark = pytest.mark.skipif(
    not (REAL / "hostile.tar.gz").exists(), reason="the hostile files are not at hand"
)

SILENT = {".DS_Store", "Thumbs.db", "sub/deeper/nested.png", "folder_named.png", "loop_dir"}
REASONS = (
    "truncated", "too large", "empty", "not an image", "corrupt", "too small", "no transparency",
)  # fmt: skip
# The table promises transparency in this file, but none of its frames has any.
OPAQUE_AFTER_ALL = {"animated.gif"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    with tarfile.open(REAL / "hostile.tar.gz") as archive:
        archive.extractall(root, filter="fully_trusted")
    return root / "hostile"


@pytest.fixture(scope="module")
def loaded(hostile):
    return load_folders(hostile, hostile, AssetConfig())


@pytest.fixture(scope="module")
def table():
    with open(REAL / "hostile.tsv", newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"].replace("\\n", "\n"): row for row in rows}


@pytest.mark.parametrize("kind", ["background", "foreground"])
def test_every_row_does_what_the_table_says(loaded, table, kind):
    names = loaded.bank.background_names if kind == "background" else loaded.bank.foreground_names
    reasons = {s.name: s.reason for s in loaded.skipped if s.kind == kind}
    foreground = {name: row["as_foreground"] for name, row in table.items()}
    for name, row in table.items():
        expected = row[f"as_{kind}"].replace("same", foreground[name])
        if name in SILENT:
            assert name not in names, name
            assert name not in reasons, name
        elif name == "unreadable.png":
            assert (name in names) or reasons[name] == "permission denied"
        elif name in OPAQUE_AFTER_ALL and kind == "foreground":
            assert reasons[name].startswith("no transparency")
        elif expected.startswith("load") and name not in reasons:
            assert name in names, name
        else:
            assert "skip" in expected, (name, expected, reasons[name])
            for word in REASONS:
                if f'"{word}"' in expected.split(" or ")[0]:
                    assert word in reasons[name], (name, expected, reasons[name])
    assert set(names).isdisjoint(reasons)


def test_a_bomb_costs_no_gigabytes(hostile):
    """In a process of its own, whose peak memory is only this load's."""
    code = (
        "import resource, sys\n"
        "from evafast.assets.loading import load_folders\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "load_folders(sys.argv[1], sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(hostile)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 300_000, "KiB more at the peak"
