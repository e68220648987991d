"""The estimator: its contract, whatever the model behind it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from small_network import random_network

from evafast.depth.densedepth.network import relative_depth
from evafast.depth.densedepth.weights import save_safetensors
from evafast.depth.estimator import (
    DepthEstimator,
    check_finite,
    cpu_computes_bf16,
    resolve_precision,
)
from evafast.depth.models import fitted_size
from evafast.errors import RunError, UsageError


@pytest.fixture(scope="module")
def file(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_safetensors(network, path, {"metres_per_unit": "10"})
    return path


@pytest.fixture(scope="module")
def estimator(file):
    return DepthEstimator.load(file, precision="fp32", input_size=64)


def photographs(n, height=64, width=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8, generator=generator)


def test_is_the_network_clipped_and_enlarged(estimator, network):
    images = photographs(3)
    maps = estimator(images)
    with torch.no_grad():
        y = network(images.permute(0, 3, 1, 2).float() / 255)
    expected = torch.nn.functional.interpolate(relative_depth(y), (64, 64), mode="bilinear")[:, 0]
    assert maps.depth.shape == (3, 64, 64)
    assert maps.depth.dtype == torch.float32
    torch.testing.assert_close(maps.depth, expected, rtol=1e-4, atol=1e-5)
    assert maps.finite.dtype == torch.bool
    assert maps.finite.tolist() == [True] * 3
    assert float(maps.depth.min()) >= 0.01
    assert float(maps.depth.max()) <= 1.0
    assert float(maps.depth.std()) > 1e-3


def test_floating_images_are_the_same_pixels(estimator):
    images = photographs(2)
    floating = images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last) / 255
    every = torch.arange(256).float()
    assert torch.equal(every / 255 * 255, every)
    assert torch.equal(estimator(floating).depth, estimator(images).depth)
    assert torch.equal(estimator(floating.contiguous()).depth, estimator(images).depth)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batch_does_not_matter(file, precision):
    estimator = DepthEstimator.load(file, precision=precision, input_size=64)
    images = photographs(205)  # more than one pass
    whole = estimator(images).depth
    for part in (slice(0, 1), slice(3, 5), slice(200, 205)):
        # oneDNN may choose a kernel by batch size; on this network the bits are in fact equal.
        torch.testing.assert_close(estimator(images[part]).depth, whole[part], rtol=1e-5, atol=1e-6)
    assert torch.equal(estimator(images[:1]).depth, whole[:1])


def test_bf16_is_near_fp32(file, estimator):
    images = photographs(4)
    near = DepthEstimator.load(file, precision="bf16", input_size=64)(images).depth
    expected = estimator(images).depth
    assert not torch.equal(near, expected)
    assert float((near - expected).abs().mean()) < 0.02


@pytest.mark.parametrize("size", [(1, 1), (5, 123), (64, 65), (300, 40), (1000, 3)])
def test_odd_sizes_come_back_at_their_own(estimator, size):
    maps = estimator(photographs(2, *size))
    assert maps.depth.shape == (2, *size)
    assert bool(torch.isfinite(maps.depth).all())


@pytest.mark.parametrize(
    ("own", "shorter", "expected"),
    [
        ((224, 224), 224, (224, 224)),
        ((480, 640), 480, (480, 640)),
        ((640, 480), 480, (640, 480)),
        ((375, 1242), 224, (224, 736)),
        ((100, 100), 224, (224, 224)),
        ((1, 10_000), 64, (64, 256)),
    ],
)
def test_fitted_size(own, shorter, expected):
    assert fitted_size(*own, shorter) == expected


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        torch.zeros(1, 64, 64, 3),
        torch.zeros(64, 64, 3, dtype=torch.uint8),
        torch.zeros(0, 64, 64, 3, dtype=torch.uint8),
        torch.zeros(1, 64, 64, 3, dtype=torch.int32),
        torch.zeros(1, 64, 64, 4, dtype=torch.uint8),
        torch.zeros(1, 64, 64, 3, dtype=torch.uint8, device="meta"),
    ],
)
def test_refuses_other_images(estimator, images):
    with pytest.raises(UsageError, match="images: expected"):
        estimator(images)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_output_that_is_not_finite_names_the_sample(tmp_path, bad):
    model = random_network()
    with torch.no_grad():
        model.decoder.conv3.bias.fill_(bad)
    save_safetensors(model, tmp_path / "bad.safetensors")
    estimator = DepthEstimator.load(tmp_path / "bad.safetensors", precision="fp32", input_size=64)
    finite = estimator(photographs(2)).finite
    assert finite.tolist() == [False, False]
    with pytest.raises(RunError, match="depth of 'bg001_fg002_01'"):
        check_finite(finite, ["bg001_fg002_01", "bg001_fg002_02"])


def test_only_the_bad_sample_is_named(estimator):
    images = photographs(3).permute(0, 3, 1, 2).float() / 255
    images[1, 0, 5, 5] = math.nan
    finite = estimator(images).finite
    assert finite.tolist() == [True, False, True]
    with pytest.raises(RunError, match="depth of 'b'"):
        check_finite(finite, ["a", "b", "c"])
    check_finite(np.array([True]), ["a"])


def test_one_bad_pixel_is_enough(file, monkeypatch):
    estimator = DepthEstimator.load(file, precision="fp32", input_size=64)
    y = torch.full((2, 1, 32, 32), 5.0)
    y[0, 0, 31, 0] = math.inf  # which depth's clip alone would hide
    monkeypatch.setattr(estimator._network, "_network", lambda _: y)
    maps = estimator(photographs(2))
    assert bool(torch.isfinite(maps.depth).all())
    assert maps.finite.tolist() == [False, True]


def test_identity_is_json_and_distinguishes_models(estimator, file, tmp_path):
    identity = estimator.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert identity["model"] == "small.safetensors"
    assert (identity["kind"], identity["metres_per_unit"]) == ("relative", 10.0)
    assert (identity["precision"], identity["device"]) == ("fp32", "cpu")
    assert identity["config"]["blocks"] == [1, 2, 2, 1]
    save_safetensors(random_network(1), tmp_path / "small.safetensors")
    other = DepthEstimator.load(
        tmp_path / "small.safetensors", precision="fp32", input_size=64
    ).identity()
    assert {key for key in identity if identity[key] != other[key]} == {"sha256", "metres_per_unit"}


def test_threads_may_share_one(estimator):
    images = [photographs(4, seed=i) for i in range(6)]
    expected = [estimator(batch).depth for batch in images]
    got: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda i=i: got.update({i: estimator(images[i]).depth}))
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(got[i], expected[i]) for i in range(6))


def test_depth_may_be_a_training_target(estimator):
    target = estimator(photographs(1)).depth
    weight = torch.ones((), requires_grad=True)
    (weight * target).square().sum().backward()  # refused for tensors of inference mode
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "precision: expected"),
        ({"precision": "fp16"}, "on the CPU"),
        ({"device": "tpu9"}, "device: expected"),
        ({"device": "meta"}, "device: expected"),
        ({"input_size": 100}, "multiple of 32"),
        ({"input_size": 0}, "multiple of 32"),
        ({"model": "nyuu"}, "expected compact, nyu, kitti"),
        ({"model": "hf:@upside-down"}, "expected"),
        ({"inner_activation": True}, "records False"),
    ],
)
def test_refuses_other_options(file, options, message):
    with pytest.raises(UsageError, match=message) as error:
        DepthEstimator.load(**({"model": file, "input_size": 64} | options))
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there(file):
    with pytest.raises(UsageError, match="got 0 CUDA devices"):
        DepthEstimator.load(file, device="cuda")


def test_auto_precision_follows_the_cpu():
    name, dtype = resolve_precision("auto", torch.device("cpu"))
    assert (name, dtype) == (
        ("bf16", torch.bfloat16) if cpu_computes_bf16() else ("fp32", torch.float32)
    )


def test_offline_needs_no_network(home):
    with pytest.raises(UsageError, match="put it there"):
        DepthEstimator.load("nyu", offline=True)


def test_import_is_cheap():
    code = "import sys, evafast.depth; assert not {'torch', 'h5py', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_compiled_gives_the_same(file, estimator):
    compiled = DepthEstimator.load(file, precision="fp32", input_size=64, compile=True)
    images = photographs(2)
    torch.testing.assert_close(
        compiled(images).depth, estimator(images).depth, rtol=1e-4, atol=1e-5
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestCuda:
    @pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 0.1)])
    def test_agrees_with_the_cpu(self, file, estimator, precision, tolerance):
        on_gpu = DepthEstimator.load(file, device="cuda", precision=precision, input_size=64)
        images = photographs(300)
        got = on_gpu(images.cuda()).depth.cpu()
        assert float((got - estimator(images).depth).abs().max()) < tolerance

    def test_smaller_batches_and_other_sizes_reuse_the_graph(self, file):
        on_gpu = DepthEstimator.load(file, device="cuda", precision="fp32", input_size=64)
        images = photographs(8).cuda()
        whole = on_gpu(images).depth
        torch.testing.assert_close(on_gpu(images[:3]).depth, whole[:3], rtol=0, atol=1e-5)
        wide = on_gpu(photographs(2, 64, 96).cuda()).depth
        assert wide.shape == (2, 64, 96)
        torch.testing.assert_close(on_gpu(images).depth, whole, rtol=0, atol=1e-5)

    def test_nothing_waits_for_the_device(self, file):
        on_gpu = DepthEstimator.load(file, device="cuda", input_size=64)
        images = photographs(8).cuda()
        on_gpu(images)
        torch.cuda.set_sync_debug_mode("error")
        try:
            on_gpu(images)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def test_maps_of_one_batch_outlive_the_next(self, file):
        on_gpu = DepthEstimator.load(file, device="cuda", input_size=64)
        first = on_gpu(photographs(4).cuda())
        kept = first.depth.clone()
        on_gpu(photographs(4, seed=9).cuda())
        assert torch.equal(first.depth, kept)
