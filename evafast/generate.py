"""``python -m evafast.generate``: two folders of pictures in, a data set out.

Fills the frozen config from the command line, runs the pipeline into the sink, draws the progress.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evafast.assets.loading import AssetConfig, LoadedAssets, load_folders
from evafast.dataset.codec import IMAGE_FORMATS, Codec, one_thread_a_picture
from evafast.dataset.formats.layouts import LAYOUTS
from evafast.dataset.naming import Names
from evafast.dataset.sample import BankNames
from evafast.dataset.store import open_store
from evafast.errors import quoted
from evafast.system.console import (
    Console,
    Download,
    OneLineParser,
    duration,
    run_command,
    set_up_logging,
)
from evafast.system.timing import StageClock
from evafast.writing.config import DEPTH_ENCODINGS, GenerateConfig
from evafast.writing.plan import make_plan
from evafast.writing.run import Run

if TYPE_CHECKING:
    from evafast.compositing import BackendChoice
    from evafast.depth import DepthEstimator
    from evafast.sampling.recipe import Recipe

NETWORK_RING = 1
"""Batches under way beside a depth network on the CPU.

It takes all cores in step: an encoder beside it on one of them holds up the others. So they take
turns; with one batch under way, the next is begun when its encoding is done.
"""


def generate(config: GenerateConfig, console: Console | None = None) -> dict:
    """Make a data set, or finish one that was begun with the same arguments.

    Parameters
    ----------
    config : GenerateConfig
    console : Console, optional
        Quiet when left out.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    UsageError
        Wrong settings or unusable input; nothing was written.
    RunError
        A failure while running; the same call goes on where it stopped.
    """
    from evafast.compositing import choose_backend
    from evafast.sampling.recipe import Recipe

    console = console or Console(quiet=True)
    store = open_store(config.out)
    choice = choose_backend(config.backend, config.device)
    with ThreadPoolExecutor(1, "evafast-kernels") as side:
        kernels = side.submit(_load_kernels, choice, parallel=config.depth != "none")
        assets = _load_assets(config)
        kernels.result()
    console.say(f"assets: {assets.summary()}")
    recipe = Recipe.for_bank(assets.bank, placements=config.placements, seed=config.seed)
    samples = min(config.limit or len(recipe), len(recipe))
    depth = _load_depth(config, choice)
    device_type = (depth.device if depth else choice.device).type
    batch_size = min(config.batch_size_on(device_type), config.samples_per_shard, samples)
    console.say(f"compositing: {choice.reason}")
    console.say(f"depth: {_describe_depth(config, depth)}")
    plan = make_plan(
        assets.bank, recipe, config.codec,
        layout=config.layout, mask=config.mask, samples=samples,
        samples_per_part=config.samples_per_shard,
        depth=_depth_identity(depth, batch_size) if depth else None,
        depth_encoding=config.depth_encoding, assets=_preprocessing(config.assets),
    )  # fmt: skip
    with store.failing_in_one_line(), Run(store, plan) as run:
        if run.complete:
            console.say(f"{quoted(store)} is already complete: {samples:,} samples")
            return run.manifest()
        if run.samples_there:
            console.say(f"resuming after {run.samples_there:,} of {samples:,} samples")
        console.say(f"writing {samples:,} of {len(recipe):,} samples to {quoted(store)}")
        clock = StageClock()
        _write_missing(config, choice, assets, recipe, depth, run, batch_size, clock, console)
        with clock("finish"):
            manifest = run.finish(LAYOUTS[config.layout](store, ""), assets.bank)
        _say_end(console, run, clock)
        return manifest


def _write_missing(
    config: GenerateConfig, choice: BackendChoice, assets: LoadedAssets, recipe: Recipe,
    depth: DepthEstimator | None, run: Run, batch_size: int, clock: StageClock, console: Console,
) -> None:  # fmt: skip
    from evafast.compositing import Compositor
    from evafast.pipeline import BufferRing, Pipeline
    from evafast.writing.sink import Sink
    from evafast.writing.transfer import DepthEncoding, HostTransfer

    bank = assets.bank
    names = Names.of(recipe)
    on_cpu = choice.device.type == "cpu"
    deferred = on_cpu and depth is None
    compositor = Compositor(
        bank, backend=choice.backend, device=choice.device, mask=config.mask, parallel=not deferred
    )
    pipeline = Pipeline(bank, recipe, compositor, depth, clock=clock)
    ring = BufferRing(compositor, batch_size, NETWORK_RING) if on_cpu and depth else None
    encoding = DepthEncoding(config.depth_encoding, depth.metres_per_unit) if depth else None
    progress = console.progress("samples", run.plan["samples"], run.samples_there)
    layout = LAYOUTS[config.layout](run.store, config.codec.image_suffix)
    sink = Sink(
        layout, config.codec, names, BankNames(bank.background_names, bank.foreground_names),
        HostTransfer(encoding, clock=clock), workers=config.encoder_threads, clock=clock,
        on_part=run.record, on_samples=progress.advance, one_a_core=deferred,
    )  # fmt: skip
    if deferred:
        clock.workers("composite", config.encoder_threads)
    with (
        ThreadPoolExecutor(1, "evafast-beside") as side,
        rarer_collections(), one_thread_a_picture(), progress, sink,
    ):  # fmt: skip
        beside = side.submit(run.write_beside, bank, recipe)
        for part in run.missing():
            sink.begin(part)
            indices = recipe.order[part.start : part.stop]
            batches = (
                pipeline.deferred_batches(indices, batch_size)
                if deferred
                else pipeline.batches(indices, batch_size, ring=ring)
            )
            for batch in batches:
                sink.write(batch)
            sink.commit()
        beside.result()


@contextmanager
def rarer_collections() -> Iterator[None]:
    """Let Python look for cyclic garbage rarely: there is next to none, and much to look at."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _load_kernels(choice: BackendChoice, *, parallel: bool) -> None:
    """Composite one small sample, so that the CPU's kernels load while pictures are decoded."""
    import numpy as np

    from evafast.assets.bank import Bank
    from evafast.compositing import Compositor
    from evafast.sampling.recipe import Recipe

    if choice.device.type == "cpu":
        bank = Bank.from_arrays([np.zeros((8, 8, 3), np.uint8)], [np.zeros((4, 4, 4), np.uint8)])
        compositor = Compositor(bank, backend=choice.backend, device="cpu", parallel=parallel)
        compositor(Recipe.for_bank(bank, placements=1, seed=0)[:1])


def _load_assets(config: GenerateConfig) -> LoadedAssets:
    if config.backgrounds is not None and config.foregrounds is not None:
        return load_folders(config.backgrounds, config.foregrounds, config.assets)
    from evafast.builtin import pack_folders

    with pack_folders() as (backgrounds, foregrounds):
        return load_folders(backgrounds, foregrounds, config.assets)


def _load_depth(config: GenerateConfig, choice: BackendChoice) -> DepthEstimator | None:
    if config.depth == "none":
        return None
    from evafast.depth import DepthEstimator
    from evafast.depth.encoding import check_encoding

    with Download("weights", quiet=config.quiet) as progress:
        depth = DepthEstimator.load(
            config.depth,
            device=choice.device,
            precision=config.precision,
            input_size=config.depth_input,
            compile=config.compile,
            progress=progress,
        )
    check_encoding(config.depth_encoding, depth.metres_per_unit)
    return depth


def _depth_identity(depth: DepthEstimator, batch_size: int) -> dict:
    """Return all that decides the depth's bytes; in other batches its sums may round otherwise."""
    scale = {"metres_per_unit": depth.metres_per_unit}
    return {**depth.identity(), **scale, "batch_size": batch_size}


def _describe_depth(config: GenerateConfig, depth: DepthEstimator | None) -> str:
    if depth is None:
        return "none (--depth none)"
    identity = depth.identity()
    text = f"{config.depth}, {depth.kind}, {identity['precision']} on {depth.device}"
    if config.depth == "compact":
        text += (
            "; built-in, trained on rendered scenes only: for photographs give --depth nyu "
            "(DenseDepth's own weights)"
        )
    return text


def _preprocessing(assets: AssetConfig) -> dict:
    return {key: value for key, value in asdict(assets).items() if key not in ("strict", "threads")}


def _say_end(console: Console, run: Run, clock: StageClock) -> None:
    console.say(
        f"done: {run.plan['samples']:,} samples in {quoted(run.store)}, {duration(clock.elapsed)}"
    )
    shares = clock.shares()
    text = ", ".join(f"{stage} {share:.0%}" for stage, share in shares.items())
    console.say(f"busy: {text}; the busiest stage set the pace")


def parse(arguments: Sequence[str] | None = None) -> GenerateConfig:
    """Return the config that command line arguments ask for."""
    parser = OneLineParser(
        prog="python -m evafast.generate",
        description="Paste every cut-out on every background at random positions: composites, "
        "masks and depth maps. With no argument, on the built-in pack.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--backgrounds", type=Path, metavar="DIR", help="folder of photographs (default: built-in)")
    add("--foregrounds", type=Path, metavar="DIR", help="folder of cut-outs with alpha")
    add("--out", default="evafast-data", metavar="DIR", help="folder or fsspec address (s3://...)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--backend", default="auto", help="auto, cupy, numba-cuda, numba or pillow")
    add("--placements", type=int, default=20, help="positions for each pair")
    add("--seed", type=int, default=0, help="of positions and order, 0 to 2**64-1")
    add("--canvas", type=int, default=224, metavar="PX", help="side of the composites")
    add("--foreground-size", type=int, default=150, metavar="PX", help="cut-outs are shrunk to fit")
    add(
        "--min-foreground", type=_size, default=(40, 50), metavar="WxH", help="smaller are left out"
    )
    add("--strict", action="store_true", help="make any left-out file an error")
    add("--limit", type=int, metavar="N", help="only the first N samples of the shuffled order")
    add("--layout", choices=LAYOUTS, default="webdataset", help="how samples lie on disk")
    add("--image-format", choices=IMAGE_FORMATS, default="jpeg", help="png is lossless")
    add("--quality", type=int, default=90, help="of JPEG, 1 to 100")
    add("--mask", choices=("matte", "binary"), default="matte", help="coverage, or >= 128")
    add("--depth", default="compact", help="compact, nyu, kitti, a weights file, hf:ID or none")
    add("--depth-encoding", choices=DEPTH_ENCODINGS, default="minmax8",
        help="8 bits stretched per image, or 16-bit millimetres")  # fmt: skip
    add("--depth-input", type=int, default=224, metavar="PX", help="side the depth network sees")
    add("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"), help="of depth")
    add("--compile", action="store_true", help="torch.compile the depth network: for long runs")
    add("--batch-size", type=int, metavar="N", help="samples at once (default: by device)")
    add("--workers", type=int, default=0, metavar="N", help="encoder threads, 0: one a core")
    add("--samples-per-shard", type=int, default=4000, metavar="N", help="also the step of resume")
    add("--quiet", action="store_true", help="say nothing but errors")
    given = vars(parser.parse_args(arguments))
    assets = AssetConfig(**{
        key: given.pop(key) for key in ("canvas", "foreground_size", "min_foreground", "strict")
    })  # fmt: skip
    codec = Codec(**{key: given.pop(key) for key in ("image_format", "quality")})
    return GenerateConfig(**given, assets=assets, codec=codec)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (text.isascii() and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT such as 40x50, got {text!r}")
    return int(width), int(height)


def choose_waiting(config: GenerateConfig) -> None:
    """Choose how idle OpenMP threads wait; call it before torch, which loads OpenMP, is imported.

    Beside encoders they must not spin. A depth network on the CPU is faster when they do, but only
    a moment (GNU's OpenMP counts the rounds): where others use the cores too, its usual spinning
    made a run several times as long.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if config.depth != "none":
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        config = parse(arguments)
        choose_waiting(config)
        set_up_logging(quiet=config.quiet)
        generate(config, Console(quiet=config.quiet))

    return run_command(command, resumes=True)


if __name__ == "__main__":
    sys.exit(main())
