"""The whole way on a GPU; run by benchmarks/run_gpu.py, skipped where there is none."""

import pytest
import torch
from commands import run, tree

from evafast import Compositor, DepthEstimator, Pipeline, Recipe, open_dataset
from evafast.depth import DenseDepth, DenseDepthConfig, save_safetensors

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_the_gpu_writes_the_bytes_that_the_cpu_writes(folders, tmp_path, layout):
    assert run(folders, tmp_path / "cpu", "--layout", layout, "--device", "cpu") == 0
    assert run(folders, tmp_path / "gpu", "--layout", layout, "--device", "cuda") == 0
    assert tree(tmp_path / "gpu") == tree(tmp_path / "cpu")


def test_many_batches_under_way_at_once_do_not_mix(bank):
    """More batches than pinned buffers, written one after another."""
    recipe = Recipe.for_bank(bank, placements=40)
    live = {}
    for device in ("cpu", "cuda"):
        pipeline = Pipeline(bank, recipe, Compositor(bank, device=device))
        batches = list(pipeline.batches(batch_size=7))
        live[device] = torch.cat([b.image for b in batches]).cpu()
    assert torch.equal(live["cpu"], live["cuda"])


def test_stored_depth_is_the_estimators_own(folders, tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "small.safetensors"
    config = DenseDepthConfig(blocks=(1, 1, 1, 1), growth=8, stem=16, decoder_width=32)
    save_safetensors(DenseDepth(config), weights)
    out = tmp_path / "set"
    more = ["--depth", str(weights), "--device", "cuda", "--canvas", "224", "--image-format", "png"]
    assert run(folders, out, *more) == 0
    dataset = open_dataset(out)
    batch = dataset[0:7]
    estimator = DepthEstimator.load(str(weights), device="cuda")
    expected = estimator(batch.image.permute(0, 2, 3, 1).contiguous().cuda()).depth.cpu()
    step = (expected.amax(dim=(1, 2)) - expected.amin(dim=(1, 2))).max() / 255
    assert (batch.depth[:, 0] - expected).abs().max() <= step + 1e-6


def test_assets_on_the_device_are_the_banks(bank):
    compositor = Compositor(bank, device="cuda")
    batch = Pipeline(bank, Recipe.for_bank(bank), compositor).batch([0, 1, 2])
    expected = torch.from_numpy(bank.backgrounds.copy())
    assert batch.background.device.type == "cuda"
    rows = torch.from_numpy(batch.placements.background).long()
    assert torch.equal(batch.background.cpu(), expected[rows].permute(0, 3, 1, 2))
