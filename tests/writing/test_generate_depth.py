"""Depth in the command: the stored map is the estimator's own, after encoding."""

import json

import cv2
import numpy as np
import pytest
import torch
from commands import run as generate_without_depth
from commands import tree

from evafast import DepthEstimator, RunError, open_dataset
from evafast.depth import DenseDepth, DenseDepthConfig, encode, save_safetensors
from evafast.generate import main
from evafast.inspect import main as inspect


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network of random weights whose output varies over the picture."""
    torch.manual_seed(0)
    config = DenseDepthConfig(blocks=(1, 1, 1, 1), growth=8, stem=16, decoder_width=32)
    model = DenseDepth(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("conv3.weight"):
                parameter.mul_(30)
            if name.endswith("conv3.bias"):
                parameter.fill_(60)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_safetensors(model, path, {"metres_per_unit": "10"})
    return path


def run(folders, out, weights, *more):
    arguments = ["--backgrounds", str(folders[0]), "--foregrounds", str(folders[1]), "--out",
                 str(out), "--placements", "2", "--min-foreground", "8x8", "--samples-per-shard",
                 "7", "--depth", str(weights), "--precision", "fp32", "--limit", "17",
                 "--image-format", "png"]  # fmt: skip
    return main([*arguments, *more])


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
@pytest.mark.parametrize("encoding", ["minmax8", "metric16"])
def test_stored_depth_is_the_estimators_own(folders, tmp_path, weights, layout, encoding):
    out = tmp_path / "set"
    size = ["--batch-size", "5"]
    assert run(folders, out, weights, "--layout", layout, "--depth-encoding", encoding, *size) == 0
    dataset = open_dataset(out)
    estimator = DepthEstimator.load(str(weights), device="cpu", precision="fp32")
    plan = dataset.plan
    assert plan.depth.network["sha256"] == estimator.identity()["sha256"]
    assert plan.depth_encoding == encoding
    for start, stop in ((0, 5), (5, 7), (7, 12)):  # the batches of that run
        batch = dataset[start:stop]
        images = batch.image.permute(0, 2, 3, 1).contiguous()
        expected = encode(estimator(images).depth, encoding, estimator.metres_per_unit)
        for i, position in enumerate(range(start, stop)):
            name = dataset.names.samples(dataset.placements_at([position]))[0]
            data = dataset.read_files(position, name)["depth"]
            codes = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            assert codes.dtype == (np.uint8 if encoding == "minmax8" else np.uint16)
            assert np.array_equal(codes, expected.codes[i].numpy())
            assert codes.min() < codes.max(), "a map that varies"
        depth = estimator(images).depth
        step = (depth.amax() - depth.amin()) / 255 if encoding == "minmax8" else 1e-4
        assert (batch.depth[:, 0] - depth).abs().max() <= step
        assert batch.finite.all()


def test_resume_and_repair_give_the_same_depth(folders, tmp_path, weights):
    whole, out = tmp_path / "whole", tmp_path / "set"
    assert run(folders, whole, weights, "--layout", "folder") == 0
    assert run(folders, out, weights, "--layout", "folder") == 0
    assert tree(out) == tree(whole)
    (out / "depth_range.npy").unlink()
    next((out / "fg_bg_depth").rglob("*.png")).write_bytes(b"gone")
    assert inspect(["verify", str(out), "--quiet"]) == 1
    assert inspect(["repair", str(out), "--quiet", "--depth", str(weights)]) == 0
    assert tree(out) == tree(whole)


def test_other_weights_in_the_same_place_are_refused(folders, tmp_path, weights, capsys):
    out = tmp_path / "set"
    assert run(folders, out, weights) == 0
    torch.manual_seed(1)
    other = tmp_path / "small.safetensors"
    save_safetensors(DenseDepth(DenseDepthConfig(blocks=(1, 1, 1, 1), growth=8, stem=16,
                                                 decoder_width=32)), other)  # fmt: skip
    assert run(folders, out, other) == 2
    assert "depth.sha256: expected " in capsys.readouterr().err


def test_manifest_does_not_depend_on_where_the_weights_are(folders, tmp_path, weights):
    elsewhere = tmp_path / "moved" / weights.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(weights.read_bytes())
    assert run(folders, tmp_path / "a", weights) == 0
    assert run(folders, tmp_path / "b", elsewhere) == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_manifest_says_no_depth(folders, tmp_path):
    assert generate_without_depth(folders, tmp_path / "set") == 0
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert manifest["depth"] is None
    assert manifest["depth_encoding"] is None
    assert "depth" not in open_dataset(tmp_path / "set")[0]


def test_depth_that_is_not_finite_names_the_sample(folders, tmp_path, weights, capsys):
    model = DenseDepth(DenseDepthConfig(blocks=(1, 1, 1, 1), growth=8, stem=16, decoder_width=32))
    with torch.no_grad():
        list(model.parameters())[-1].fill_(float("nan"))
    broken = tmp_path / "broken.safetensors"
    save_safetensors(model, broken)
    assert run(folders, tmp_path / "set", broken) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: depth of 'bg0")
    assert "expected finite values, got NaN" in error
    assert issubclass(RunError, Exception)
