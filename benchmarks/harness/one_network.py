"""A depth network alone, in a process of its own; prints its seconds as a line of JSON.

    PYTHONPATH=. python benchmarks/harness/one_network.py --depth compact --images 960 --batch 16

Counts a pass over the images after a first, untimed batch. With ``--original DIR`` the samples are
also composited and written as the original did, in the same time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.inputs import Inputs
from benchmarks.peers.original import Original
from evafast import Compositor, DepthEstimator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", required=True)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--original", type=Path, metavar="DIR")
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--foregrounds", type=Path)
    given = parser.parse_args(arguments)
    folders = {"backgrounds": given.backgrounds, "foregrounds": given.foregrounds}
    inputs = Inputs("given", folders if given.backgrounds else {})
    placements = inputs.samples(given.images)
    estimator = DepthEstimator.load(given.depth, device="cpu", precision=given.precision)
    images = Compositor(inputs.bank, backend="numba", device="cpu")(placements).image
    original = Original(inputs.bank) if given.original else None
    estimator(images[: given.batch])  # the first call chooses kernels
    start = time.perf_counter()
    if original is not None:
        original.write(placements, given.original)
    for batch in images.split(given.batch):
        estimator(batch)
    print(json.dumps({"seconds": time.perf_counter() - start}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
