"""The commands on a small job, and what they leave on disk."""

from __future__ import annotations

import csv
import hashlib

from evafast.generate import main

LAYOUTS = ["webdataset", "folder", "zip"]
SMALL = ["--placements", "2", "--canvas", "96", "--foreground-size", "60", "--samples-per-shard",
         "7", "--depth", "none", "--min-foreground", "8x8"]  # fmt: skip


def run(folders, out, *more):
    pictures = ["--backgrounds", str(folders[0]), "--foregrounds", str(folders[1])]
    return main([*pictures, "--out", str(out), *SMALL, *more])


def tree(root):
    """Return {relative name: SHA-256} of every file below a folder."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*")) if path.is_file()
    }  # fmt: skip


def rows(root):
    with open(root / "samples.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
