"""A depth network alone, in a process of its own; says how long it took.

    python -m benchmarks.one_network --depth compact --images 960 --at-once 16

Prints one line of JSON: the seconds of a pass over the images, after a first batch that does not
count. With ``--original DIR`` they are also composited and written as the original did, in that
time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.inputs import Pictures, first_samples, load
from benchmarks.original import Original
from evafast import Compositor, DepthEstimator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", required=True)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--at-once", type=int, required=True)
    parser.add_argument("--original", type=Path, metavar="DIR")
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--foregrounds", type=Path)
    given = parser.parse_args(arguments)
    bank = load(Pictures("given", given.backgrounds, given.foregrounds))
    placements = first_samples(bank, given.images)
    estimator = DepthEstimator.load(given.depth, device="cpu", precision=given.precision)
    images = Compositor(bank, backend="numba", device="cpu")(placements).image
    original = Original(bank) if given.original else None
    estimator(images[: given.at_once])  # the first time, kernels are chosen
    start = time.perf_counter()
    if original is not None:
        original.write(placements, given.original)
    for chunk in images.split(given.at_once):
        estimator(chunk)
    print(json.dumps({"seconds": time.perf_counter() - start}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
