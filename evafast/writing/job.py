"""The job behind ``evafast generate``: from options to a finished dataset and measurements."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evafast.assets.bank import Bank
from evafast.compositing import BackendChoice, Compositor, choose_backend
from evafast.dataset.manifest import Manifest
from evafast.dataset.plan import BackgroundEntry, DepthEntry, ForegroundEntry, Plan
from evafast.dataset.store import open_store
from evafast.errors import quoted
from evafast.pipeline import BufferPool, Pipeline
from evafast.sampling.recipe import Recipe
from evafast.system.console import Console, duration
from evafast.system.threads import usable_cores
from evafast.system.timing import StepTimer
from evafast.writing.config import GenerateConfig
from evafast.writing.run import Run
from evafast.writing.sink import Sink

if TYPE_CHECKING:
    from evafast.depth import DepthEstimator


@dataclass(frozen=True)
class GenerateResult:
    """What `generate` made and measured.

    Attributes
    ----------
    manifest : Manifest
    samples : int
        Samples written by this call; fewer than the dataset has if it resumed a run.
    seconds : float
        From opening the dataset to writing its manifest.
    loading_seconds : float
        Before that, for decoding and preprocessing assets and loading the depth network.
    shares : dict of str to float
        Busy share of each step, 0..1; see `StepTimer.shares`.
    """

    manifest: Manifest
    samples: int
    seconds: float
    loading_seconds: float
    shares: dict[str, float]


def generate(
    config: GenerateConfig, console: Console | None = None, *, bank: Bank | None = None
) -> GenerateResult:
    """Make a dataset, or resume one started with the same options.

    With depth on the CPU, set ``OMP_WAIT_POLICY=PASSIVE`` before torch is imported, as the command
    does: idle threads of the network otherwise spin on the encoders' cores.

    Parameters
    ----------
    config : GenerateConfig
    console : Console, optional
        Defaults to a quiet one.
    bank : Bank, optional
        Defaults to the bank of the config's folders.

    Raises
    ------
    UsageError
        If an option is wrong or an input unusable; nothing was written.
    RunError
        If the run fails; the same call resumes it.
    """
    started = time.perf_counter()
    console = console or Console(quiet=True)
    store = open_store(config.out)
    choice = choose_backend(config.backend, config.device)
    bank = bank or load_bank(config)
    console.say(f"assets: {bank.summary()}")
    recipe = Recipe.for_bank(bank, placements=config.placements, seed=config.seed)
    depth = _load_depth(config, choice, console)
    console.say(f"compositing: {choice.reason}")
    console.say(f"depth: {_describe_depth(config, depth)}")
    device_type = (depth.device if depth else choice.device).type
    samples = min(config.limit or len(recipe), len(recipe))
    batch_size = min(config.batch_size_on(device_type), config.samples_per_shard, samples)
    plan = make_plan(config, bank, recipe, depth, samples=samples, batch_size=batch_size)
    compositor = Compositor(
        bank, backend=choice.backend, device=choice.device, mask=config.mask,
        parallel=depth is not None,  # without depth, encoder threads use the other cores
    )  # fmt: skip
    compositor(recipe[:1])  # loads the kernels
    loading_seconds = time.perf_counter() - started
    timer = StepTimer()
    with store.one_line_errors(), Run(store, plan) as run:
        written = run.samples_written
        if run.complete:
            assert run.manifest
            console.say(f"{quoted(store)} is already complete: {samples:,} samples")
            return GenerateResult(run.manifest, 0, 0.0, loading_seconds, {})
        if written:
            console.say(f"resuming after {written:,} of {samples:,} samples")
        console.say(f"writing {samples:,} of {len(recipe):,} samples to {quoted(store)}")
        pipeline = Pipeline(bank, recipe, compositor, depth, timer=timer)
        manifest = write_missing(
            run, pipeline, workers=config.workers or usable_cores(), batch_size=batch_size,
            console=console,
        )  # fmt: skip
    seconds, shares = timer.elapsed, timer.shares()
    console.say(f"done: {samples:,} samples in {quoted(store)}, {duration(seconds)}")
    busy = ", ".join(f"{step} {share:.0%}" for step, share in shares.items())
    console.say(f"busy: {busy}; the busiest step set the pace")
    return GenerateResult(manifest, samples - written, seconds, loading_seconds, shares)


def write_missing(
    run: Run, pipeline: Pipeline, *, workers: int, batch_size: int, console: Console
) -> Manifest:
    """Write a run's missing shards and all other files; return the manifest."""
    plan, recipe, timer = run.plan, pipeline.recipe, pipeline.timer
    pool = None
    if pipeline.compositor.device.type == "cpu":
        # A depth network uses all cores in lockstep, and an encoder on one of them holds up the
        # others: with depth, a single set of buffers makes them take turns.
        pool = BufferPool(pipeline.compositor, batch_size, 1 if pipeline.depth else 3)
    with timer("assets"):
        run.write_assets(pipeline.bank)
    with (
        console.progress("samples", plan.samples, initial=run.samples_written) as bar,
        Sink(run, workers=workers, timer=timer, on_samples=bar.update) as sink,
    ):
        for shard in run.missing():
            with sink.shard(shard):
                indices = recipe.order[shard.start : shard.stop]
                for batch in pipeline.batches(indices, batch_size, pool=pool):
                    sink.write(batch)
    with timer("finish"):
        return run.finish(pipeline.bank)


def make_plan(
    config: GenerateConfig, bank: Bank, recipe: Recipe, depth: DepthEstimator | None, *,
    samples: int, batch_size: int,
) -> Plan:  # fmt: skip
    """Return the plan of a run."""
    hashes = bank.hashes()
    codec = config.codec
    return Plan(
        seed=recipe.seed,
        placements=recipe.placements,
        samples=samples,
        samples_in_recipe=len(recipe),
        samples_per_shard=config.samples_per_shard,
        canvas=bank.canvas,
        preprocessing=config.assets.preprocessing(),
        layout=config.layout,
        image_format=codec.image_format,
        quality=codec.quality if codec.image_format == "jpeg" else None,
        encoder=codec.encoder,
        mask=config.mask,
        depth=_depth_entry(depth, batch_size) if depth else None,
        depth_encoding=config.depth_encoding if depth else None,
        backgrounds=tuple(
            BackgroundEntry(name=name, sha256=digest)
            for name, digest in zip(bank.background_names, hashes["backgrounds"], strict=True)
        ),
        foregrounds=tuple(
            ForegroundEntry(
                name=bank.foreground_name(i), mirrored=bank.is_mirrored(i),
                width=int(bank.foreground_sizes[i, 1]), height=int(bank.foreground_sizes[i, 0]),
                sha256=digest,
            )
            for i, digest in enumerate(hashes["foregrounds"])
        ),
    )  # fmt: skip


def _depth_entry(depth: DepthEstimator, batch_size: int) -> DepthEntry:
    return DepthEntry.from_json({**depth.identity(), "batch_size": batch_size})


def load_bank(config: GenerateConfig) -> Bank:
    """Return the bank of a config's folders, or of the built-in pack."""
    if config.backgrounds is not None and config.foregrounds is not None:
        return Bank.from_folders(config.backgrounds, config.foregrounds, config.assets)
    return Bank.builtin(config.assets)


def _load_depth(
    config: GenerateConfig, choice: BackendChoice, console: Console
) -> DepthEstimator | None:
    if config.depth == "none":
        return None
    from evafast.depth import DepthEstimator
    from evafast.depth.encoding import check_encoding

    depth = DepthEstimator.load(
        config.depth, device=choice.device, precision=config.precision,
        input_size=config.depth_input, compile=config.compile, progress=console.progress,
    )  # fmt: skip
    check_encoding(config.depth_encoding, depth.metres_per_unit)
    return depth


def _describe_depth(config: GenerateConfig, depth: DepthEstimator | None) -> str:
    if depth is None:
        return "none (--depth none)"
    precision = depth.identity()["precision"]
    text = f"{config.depth}, {depth.kind}, {precision} on {depth.device}"
    if config.depth == "compact":
        text += (
            "; built-in, trained on rendered scenes only: for photographs use --depth nyu "
            "(DenseDepth's own weights)"
        )
    return text
