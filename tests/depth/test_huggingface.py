"""Hugging Face models behind the same interface: tiny ones of random weights, built here."""

from __future__ import annotations

import json

import pytest
import torch

from evafast.depth.encoding import check_encoding
from evafast.depth.estimator import DepthEstimator
from evafast.errors import UsageError

transformers = pytest.importorskip("transformers")

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def depth_anything(kind: str):
    backbone = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=28,
        patch_size=14, out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 6, 8, 10], fusion_hidden_size=8, head_hidden_size=4,
        depth_estimation_type=kind, max_depth=20 if kind == "metric" else 1,
    )  # fmt: skip
    return transformers.DepthAnythingForDepthEstimation(config)


def glpn():
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=8,
    )  # fmt: skip
    return transformers.GLPNForDepthEstimation(config)


def saved(model, folder, **preprocessor):
    # The usual initial weights are so small that every depth would come out the same.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.05, 0.1, generator=generator)
    model.eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return model


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (3, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3)
    )


def load(folder, suffix="", **options):
    return DepthEstimator.load(
        f"hf:{folder}{suffix}", precision="fp32", input_size=64, offline=True, **options
    )


@pytest.mark.parametrize(("recorded", "kind"), [("relative", "inverse"), ("metric", "metric")])
def test_depth_anything(tmp_path, images, recorded, kind):
    normal = {"do_normalize": True, "image_mean": MEAN, "image_std": STD, "ensure_multiple_of": 14}
    model = saved(depth_anything(recorded), tmp_path, do_rescale=True, **normal)
    estimator = load(tmp_path)
    assert estimator.kind == kind
    assert estimator.metres_per_unit == (1.0 if kind == "metric" else None)
    maps = estimator(images)
    assert maps.depth.shape == (3, 64, 96)
    assert maps.finite.tolist() == [True] * 3

    # The model itself, fed by hand: 64 x 96 becomes 70 x 98, the nearest multiples of 14.
    x = images.permute(0, 3, 1, 2).float()
    x = torch.nn.functional.interpolate(x, (70, 98), mode="bilinear", antialias=True) / 255
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        expected = model(pixel_values=x).predicted_depth[:, None]
    expected = torch.nn.functional.interpolate(expected, (64, 96), mode="bilinear")[:, 0]
    assert float(expected.std()) > 0
    torch.testing.assert_close(maps.depth, expected, rtol=1e-4, atol=1e-6)

    single = estimator(images[1:2]).depth
    torch.testing.assert_close(single, maps.depth[1:2], rtol=1e-4, atol=1e-6)
    identity = estimator.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert identity["kind"] == kind
    if kind == "inverse":
        with pytest.raises(UsageError, match="a model of unknown scale"):
            check_encoding("metric16", estimator.metres_per_unit)


def test_glpn_takes_unnormalised_images(tmp_path, images):
    model = saved(glpn(), tmp_path, do_rescale=True, size_divisor=32)
    estimator = load(tmp_path)
    assert estimator.kind == "metric"
    with torch.no_grad():
        expected = model(pixel_values=images.permute(0, 3, 1, 2) / 255).predicted_depth
    expected = expected.reshape(3, 1, *expected.shape[-2:])
    expected = torch.nn.functional.interpolate(expected, (64, 96), mode="bilinear")[:, 0]
    torch.testing.assert_close(estimator(images).depth, expected, rtol=1e-4, atol=1e-6)


def test_other_weights_are_another_identity(tmp_path):
    for seed in (0, 1):
        torch.manual_seed(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        glpn().save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text("{}")
    first, second = (load(tmp_path / str(seed)).identity()["sha256"] for seed in (0, 1))
    assert first != second
    assert load(tmp_path / "0").identity()["sha256"] == first


def test_kind_can_be_stated(tmp_path):
    saved(glpn(), tmp_path, size_divisor=32)
    assert load(tmp_path, "@inverse").kind == "inverse"
    with pytest.raises(UsageError, match="@relative, @inverse or @metric"):
        load(tmp_path, "@depth")
    with pytest.raises(UsageError, match="no DenseDepth variant"):
        load(tmp_path, align_corners=True)


def test_unpickling_is_refused(tmp_path):
    model = saved(glpn(), tmp_path, size_divisor=32)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="safetensors"):
        load(tmp_path)


def test_unknown_models(tmp_path):
    with pytest.raises(UsageError, match="check the ID") as error:
        load(tmp_path / "nothing")
    assert "\n" not in str(error.value)
    transformers.ResNetConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="of known kind"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(UsageError, match="depth-estimation model"):
        load(tmp_path)
