"""Train DenseDepth on rendered scenes and composites, or on any folder of image/depth pairs.

    python training/train_depth.py --out runs/compact                    # the built-in network
    python training/train_depth.py --out runs/full --config 169 --device cuda
    python training/train_depth.py --out runs/mine --config 169 --pairs DIR --init nyu.h5

The loss is DenseDepth's (arXiv 1812.11941) on ``y = 1000 / depth``: a tenth of L1, L1 of the image
gradients, and structural dissimilarity over a range of 100. The compact network, trained from
scratch and briefly, adds L1 of ``log y``, since what counts far away is relative error.

Killed, stopped (SIGSTOP) or interrupted, the run goes on from its last checkpoint with --resume.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evafast.depth import DenseDepth, DenseDepthConfig, load_weights, save_safetensors
from evafast.depth.precision import cpu_computes_bf16
from evafast.errors import EvafastError, RunError, UsageError
from training.depth import data
from training.depth.score import score

NETWORKS = {
    # thin where pixels are many, wide where they are few: 150 images/s and more on two cores
    "compact": DenseDepthConfig(
        blocks=(2, 4, 8, 8),
        growth=32,
        stem=16,
        bottleneck=2,
        decoder_width=256,
        inner_activation=True,
        align_corners=False,
    ),
    "169": DenseDepthConfig(),
    "201": DenseDepthConfig(blocks=(6, 12, 48, 32)),
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything a run depends on besides its data.

    Attributes
    ----------
    network : str
        One of ``NETWORKS``.
    steps, batch_size : int
        Optimizer steps in all, and samples a step; at least 1.
    rate : float
        Peak learning rate of Adam with amsgrad; rises over the first steps, falls as a cosine.
    relative : float
        Weight of L1 on ``log y``; 0 is DenseDepth's own loss.
    small : float
        Share of the run, from the start, that sees pictures shrunk to ``small_side`` pixels: at
        128 a step costs a third, and what is far and what is near is learned as well.
    small_side : int
        A multiple of 32.
    swap : float
        Chance that a picture's channels are permuted.
    seed : int
        Of weights, order and chance.
    """

    network: str = "compact"
    steps: int = 6000
    batch_size: int = 8
    rate: float = 2e-3
    relative: float = 1.5
    small: float = 0.75
    small_side: int = 128
    swap: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UsageError(
                f"--config: expected {', '.join(NETWORKS)}, got {self.network}; choose one"
            )
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"{name}: expected at least 1, got {getattr(self, name)}; give more"
                )
        if not 0 < self.rate < 1:
            raise UsageError(f"--rate: expected between 0 and 1, got {self.rate}; try 1e-4")


# -- loss ----------------------------------------------------------------------------------------


def _window(device: torch.device, size: int = 11, sigma: float = 1.5) -> Tensor:
    x = torch.arange(size, device=device, dtype=torch.float32) - size // 2
    g = torch.exp(-(x**2) / (2 * sigma**2))
    return g / g.sum()


def ssim(a: Tensor, b: Tensor, reach: float = 100.0) -> Tensor:
    """Mean structural similarity of (N, 1, H, W) maps, Gaussian window of 11, sigma 1.5."""
    g = _window(a.device)

    def blur(x: Tensor) -> Tensor:
        x = functional.conv2d(x, g.view(1, 1, 1, -1))
        return functional.conv2d(x, g.view(1, 1, -1, 1))

    c1, c2 = (0.01 * reach) ** 2, (0.03 * reach) ** 2
    # one pass over a stack is quicker than five small ones
    n = len(a)
    stack = blur(torch.cat((a, b, a * a, b * b, a * b)))
    ma, mb, aa, bb, ab = (stack[i * n : (i + 1) * n] for i in range(5))
    va, vb, cov = aa - ma * ma, bb - mb * mb, ab - ma * mb
    return (
        ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    ).mean()


def depth_loss(y: Tensor, truth: Tensor, relative: float = 0.0) -> Tensor:
    """DenseDepth's loss of predicted ``y`` against true ``y``, both (N, 1, H, W), float32."""
    gap = y - truth
    across = (gap[..., :, 1:] - gap[..., :, :-1]).abs().mean()
    down = (gap[..., 1:, :] - gap[..., :-1, :]).abs().mean()
    dissimilar = ((1 - ssim(y, truth)) / 2).clamp(0, 1)
    loss = 0.1 * gap.abs().mean() + across + down + dissimilar
    if relative:
        loss = loss + relative * (y.clamp(min=0.3).log() - truth.log()).abs().mean()
    return loss


# -- one run -------------------------------------------------------------------------------------


def rate_at(config: TrainConfig, progress: float) -> float:
    """Learning rate at a share of the run: up over 3 %, then down a cosine to a hundredth."""
    if progress < 0.03:
        return config.rate * (0.02 + 0.98 * progress / 0.03)
    s = min(1.0, (progress - 0.03) / 0.97)
    return config.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * s)))


def fresh(config: TrainConfig, init: Path | None) -> DenseDepth:
    """Build the network, its output starting at a typical ``y``; or start from a weights file."""
    torch.manual_seed(config.seed)
    if init is not None:
        return load_weights(init).model
    model = DenseDepth(NETWORKS[config.network])
    torch.nn.init.constant_(model.decoder.conv3.bias, 3.0)
    return model


def save_checkpoint(path: Path, model: DenseDepth, adam, config: TrainConfig, **state) -> None:
    """Write everything a run needs to go on, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(
        {"model": model.state_dict(), "adam": adam.state_dict(), "config": asdict(config), **state},
        part,
    )
    part.replace(path)


def step_batch(source, config: TrainConfig, step: int, small: bool) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) in 0..1 and targets (N, 1, S/2, S/2) of a step, S is 224 or smaller."""
    rng = np.random.default_rng([config.seed, step])
    indices = rng.integers(len(source), size=config.batch_size)
    rgb, y = data.batch(
        source, indices, config.seed * 1_000_003 + step, train=True, swap=config.swap
    )
    images = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    target = torch.from_numpy(y)[:, None]
    if small:
        side = config.small_side
        images = functional.interpolate(images, (side, side), mode="area")
        target = functional.interpolate(target, (side // 2, side // 2), mode="nearest")
    return images.contiguous(memory_format=torch.channels_last), target


def train(
    config: TrainConfig,
    source,
    out: Path,
    *,
    device: torch.device,
    init: Path | None,
    resume: bool,
    limit_s: float | None,
    refresh=None,
) -> tuple[DenseDepth, list[dict]]:
    """Train to the last step, or for ``limit_s`` seconds of work if that is sooner.

    The learning rate follows the share that is done of whichever ends the run. Time during which
    the process was stopped from outside does not count as work.
    """
    model = fresh(config, init).to(device, memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), lr=config.rate, amsgrad=True)
    checkpoint, first, history, worked = out / "checkpoint.pt", 0, [], 0.0
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["config"] != asdict(config):
            raise UsageError(
                "--resume: expected the options of the stored run, got others; repeat them"
            )
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        first, history, worked = state["step"], state["history"], state["worked"]
        print(f"resumed at step {first}", flush=True)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    mixed = device.type == "cuda" or cpu_computes_bf16()
    usual, window, losses = 0.0, 0.0, []

    def progress(step: int) -> float:
        return max(step / config.steps, worked / limit_s if limit_s else 0.0)

    model.train()
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(step_batch, source, config, first, progress(first) < config.small)
        for step in range(first, config.steps):
            began = time.monotonic()
            images, target = coming.result()
            small = progress(step + 1) < config.small
            coming = ahead.submit(step_batch, source, config, step + 1, small)
            for group in adam.param_groups:
                group["lr"] = rate_at(config, progress(step))
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                y = model(images.to(device))
            loss = depth_loss(y.float(), target.to(device), config.relative)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            adam.step()
            losses.append(loss.detach())
            took = time.monotonic() - began
            # a step much longer than its like was stopped from outside: that was no work
            usual = took if not usual else 0.95 * usual + 0.05 * min(took, 4 * usual)
            took = min(took, 6 * usual)
            worked, window = worked + took, window + took
            over = bool(stop) or (limit_s is not None and worked > limit_s)
            if (step + 1) % 50 == 0 or over or step + 1 == config.steps:
                mean = float(torch.stack(losses).mean())
                if not math.isfinite(mean):
                    raise RunError(
                        f"loss at step {step + 1}: expected a number, got {mean}; lower --rate"
                    )
                speed = config.batch_size * len(losses) / window
                left = worked * (1 / max(progress(step + 1), 1e-9) - 1) / 60
                print(
                    f"step {step + 1}/{config.steps} loss {mean:.4f} {speed:.1f} images/s "
                    f"{left:.0f} min left",
                    flush=True,
                )
                history.append({"step": step + 1, "loss": round(mean, 5)})
                losses, window = [], 0.0
            if (step + 1) % 200 == 0 or over or step + 1 == config.steps:
                save_checkpoint(
                    checkpoint, model, adam, config, step=step + 1, history=history, worked=worked
                )
                if refresh is not None:
                    refresh()
            if over:
                break
    return model.eval(), history


def main(argv: list[str] | None = None) -> int:
    """Train, evaluate on held-out seeds, write ``compact.safetensors`` and ``record.json``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoint, weights, record"
    )
    parser.add_argument("--config", default="compact", choices=NETWORKS)
    parser.add_argument("--cache", type=Path, default=Path("depth-cache"), help="rendered scenes")
    parser.add_argument("--scenes", type=int, default=6000, help="scenes to train on")
    parser.add_argument("--things", type=int, default=1500, help="cut-outs to train on")
    parser.add_argument("--pairs", type=Path, help="train on DIR/rgb and DIR/depth instead")
    parser.add_argument("--outdoors", action="store_true", help="--pairs have no ten-metre end")
    parser.add_argument("--init", type=Path, help="start from these weights (.h5, .safetensors)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rate", type=float, help="default 2e-3 for compact, 1e-4 for the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, help="end after so much work (the rate falls in time for it)"
    )
    parser.add_argument("--resume", action="store_true")
    parser.add_argument(
        "--as-cached",
        action="store_true",
        help="train on the shards that are there, take in new ones as they appear",
    )
    args = parser.parse_args(argv)
    try:
        return run(args)
    except EvafastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on", file=sys.stderr)
        return 130


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    compact = args.config == "compact"
    config = TrainConfig(
        network=args.config,
        steps=args.steps,
        batch_size=args.batch_size,
        seed=args.seed,
        rate=args.rate or (2e-3 if compact else 1e-4),
        relative=1.5 if compact else 0.0,
        small=0.75 if compact else 0.0,
        swap=0.25 if compact else 0.5,
    )
    if args.out.exists() and any(args.out.iterdir()) and not args.resume:
        raise UsageError(
            f"--out: expected a new or empty folder, got {args.out}; add --resume or name another"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    refresh = None
    if args.pairs:
        source = data.Pairs(args.pairs, indoors=not args.outdoors)
    elif args.as_cached:
        source = data.cached(args.cache)
        refresh = lambda: data.take_in(source, args.cache)  # noqa: E731
    else:
        source = data.Rendered(
            data.load(args.cache, "scenes", range(args.scenes)),
            data.load(args.cache, "things", range(args.things)),
        )
    device = torch.device(args.device)
    limit = args.minutes * 60 if args.minutes else None
    model, history = train(
        config,
        source,
        args.out,
        device=device,
        init=args.init,
        resume=args.resume,
        limit_s=limit,
        refresh=refresh,
    )
    record = {
        "train": asdict(config),
        "network": model.config.to_dict(),
        "history": history,
        "parameters": sum(p.numel() for p in model.parameters()),
        "pictures": len(source),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "device": str(device),
    }
    if not args.pairs:
        print("evaluating on held-out seeds", flush=True)
        record["held_out"] = score(model.to("cpu"), args.cache)
    name = args.config if compact else f"densenet{args.config}"
    note = {"metres_per_unit": "10"} if not args.outdoors else {}
    save_safetensors(model, args.out / f"{name}.safetensors", note, dtype=torch.float16)
    (args.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record.get("held_out", {}), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
