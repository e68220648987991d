"""Depth networks against a large matrix product in the same dtype, in the same rounds.

FLOPs are 2 x multiply-adds of the network as published (40.07 G at 224 x 224); work that the folded
form saves is not subtracted. The limit is the images/s that the matrix product's FLOP/s would give.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness.limits import timed_on
from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender

SIDE = 224
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def flops_per_image(config) -> int:
    """Return the FLOPs of a DenseDepth of this configuration for one image."""
    from evafast.depth.densedepth.network import DenseDepth

    with torch.device("meta"):
        model, images = DenseDepth(config).eval(), torch.empty(1, 3, SIDE, SIDE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    return counter.get_total_flops()


def networks(device, folder, batch):
    """Yield a contender for each network and precision, and its matrix product's."""
    from evafast import DepthEstimator
    from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig
    from evafast.depth.densedepth.weights import save_safetensors
    from evafast.depth.estimator import cpu_computes_bf16

    weights = folder / "densenet169.safetensors"
    torch.manual_seed(0)
    save_safetensors(DenseDepth().eval(), weights)  # random: speed does not depend on them
    precisions = ["fp32"] + ["bf16"] * (device.type == "cuda" or cpu_computes_bf16())
    choices = [("DenseDepth-169", weights, p, batch) for p in precisions]
    choices.append(("built-in network", "compact", "auto", max(64, batch)))
    for network, source, precision, count in choices:
        estimator = DepthEstimator.load(source, device=device, precision=precision)
        identity = estimator.identity()
        precision = identity["precision"]
        flops = flops_per_image(DenseDepthConfig.from_dict(identity["config"]))
        images = torch.randint(0, 256, (count, SIDE, SIDE, 3), dtype=torch.uint8).to(device)
        assert bool(estimator(images[:1]).finite.all())
        name = f"{network}, {precision}, {device.type}"
        yield Contender(
            name, "ours", timed_on(device, lambda e=estimator, i=images: e(i)), count,
            self_timed=True, facts={"gflop_per_image": flops / 1e9},
        )  # fmt: skip
        n = 8192 if device.type == "cuda" else 2048
        a, b, out = (torch.randn(n, n, device=device).to(DTYPES[precision]) for _ in range(3))
        yield Contender(
            f"matmul's rate, for {name}", "limit",
            timed_on(device, lambda a=a, b=b, out=out: [torch.mm(a, b, out=out) for _ in range(4)]),
            4 * 2 * n**3 / flops, self_timed=True,
        )  # fmt: skip


def measure(suite, folder, device, rounds, batch) -> None:
    """Race the networks on a device."""
    contenders = list(networks(device, folder, batch))
    race = suite.race(f"Depth networks at {SIDE} px, {device.type}", contenders, rounds)
    suite.keep(
        "depth-gpu" if device.type == "cuda" else "depth", race, unit="images/s",
        parameters={"threads": CORES, "batch": batch, "canvas": SIDE},
        ratios=[
            race.ratio(c.name, f"matmul's rate, for {c.name}") for c in contenders[::2]
        ],
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.budget(40)
def test_depth(suite, tmp_path):
    measure(suite, tmp_path, torch.device("cpu"), 7, 8)


@pytest.mark.gpu
@pytest.mark.budget(60)
def test_depth_gpu(suite, tmp_path):
    pytest.importorskip("safetensors")
    measure(suite, tmp_path, torch.device("cuda:0"), 20, 256)
