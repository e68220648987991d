"""Depth: images/s and achieved FLOP/s against a matmul peak measured in the same run.

    pytest benchmarks/bench_depth.py                                  print the figures
    pytest benchmarks/bench_depth.py --benchmark-json=FILE            keep them

Before every timed round a large matmul runs in the same dtype, so that the ratio of the two holds
on a machine that is busy or throttled. FLOPs are 2 x multiply-adds of the network as published
(40.07 G at 224 x 224); work that the folded form saves is not subtracted.
"""

from __future__ import annotations

import statistics
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evafast.depth.densedepth.network import DENSENET169, DenseDepth, DenseDepthConfig
from evafast.depth.densedepth.weights import save_safetensors
from evafast.depth.estimator import DepthEstimator
from evafast.depth.precision import cpu_computes_bf16

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def flops_per_image(config: DenseDepthConfig, size: int) -> int:
    with torch.device("meta"):
        model, images = DenseDepth(config).eval(), torch.empty(1, 3, size, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    return counter.get_total_flops()


def synchronised(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


class Matmul:
    """A square matmul large enough for the device's peak; records FLOP/s of each run."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        self.device, self.n = device, 8192 if device == "cuda" else 2048
        self.a, self.b, self.out = (
            torch.randn(self.n, self.n, device=device).to(dtype) for _ in range(3)
        )
        self.rates: list[float] = []

    def __call__(self) -> None:
        """Run once untimed, then four times timed."""
        torch.mm(self.a, self.b, out=self.out)
        synchronised(self.device)
        start = time.perf_counter()
        for _ in range(4):
            torch.mm(self.a, self.b, out=self.out)
        synchronised(self.device)
        self.rates.append(4 * 2 * self.n**3 / (time.perf_counter() - start))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Standard network of random weights: speed does not depend on their values."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "densenet169.safetensors"
    save_safetensors(DenseDepth().eval(), path)
    return path


@pytest.mark.parametrize("size", [224])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("device", DEVICES)
def test_densedepth169(benchmark, weights, device, precision, size):
    if device == "cpu" and precision == "bf16" and not cpu_computes_bf16():
        pytest.skip("this CPU does not compute in bf16")
    estimator = DepthEstimator.load(weights, device=device, precision=precision, input_size=size)
    n = 256 if device == "cuda" else 8
    measure(benchmark, estimator, n, size, flops_per_image(DENSENET169, size), precision)


@pytest.mark.parametrize("device", DEVICES)
def test_compact(benchmark, device):
    from evafast.depth.densedepth.weights import compact_file
    from evafast.errors import UsageError

    try:
        compact_file()
    except UsageError as error:
        pytest.skip(str(error))
    estimator = DepthEstimator.load("compact", device=device)
    config = DenseDepthConfig.from_dict(estimator.identity()["config"])
    precision = estimator.identity()["precision"]
    n = 256 if device == "cuda" else 64
    measure(benchmark, estimator, n, 224, flops_per_image(config, 224), precision)


def measure(benchmark, estimator, n, size, flops, precision) -> None:
    device = estimator.device.type
    images = torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8).to(estimator.device)
    matmul = Matmul(device, _DTYPES[precision])

    def depth():
        maps = estimator(images)
        synchronised(device)
        return maps

    depth()
    rounds = 20 if device == "cuda" else 7 if size == 224 else 3
    maps = benchmark.pedantic(depth, setup=matmul, rounds=rounds, warmup_rounds=2)
    assert bool(maps.finite.all())
    seconds = benchmark.stats.stats.median
    peak = statistics.median(matmul.rates)
    benchmark.extra_info.update(
        images_per_second=n / seconds,
        gflop_per_image=flops / 1e9,
        tflops=flops * n / seconds / 1e12,
        matmul_tflops=peak / 1e12,
        part_of_peak=flops * n / seconds / peak,
        precision=precision,
        batch=n,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
    )
    info = benchmark.extra_info
    print(
        f"\n{device} {precision} {size}: {info['images_per_second']:.1f} images/s, "
        f"{info['tflops']:.3f} of {info['matmul_tflops']:.3f} TFLOP/s = {info['part_of_peak']:.2f}"
    )
