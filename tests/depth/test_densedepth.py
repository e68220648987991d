"""The network: its size, its configuration, and its folded form."""

from __future__ import annotations

import json

import pytest
import torch
from small_network import SMALL, random_network

from evafast.depth.densedepth.inference import folded
from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig, relative_depth
from evafast.errors import UsageError


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_standard_network_has_the_published_size():
    with torch.device("meta"):
        model = DenseDepth()
    assert parameters(model) == 42_657_689
    statistics = sum(b.numel() for b in model.buffers() if b.ndim)
    assert parameters(model) + statistics == 42_816_089


def test_half_decoder_and_201():
    with torch.device("meta"):
        half = DenseDepth(DenseDepthConfig(decoder_width=832))
        larger = DenseDepth(DenseDepthConfig(blocks=(6, 12, 48, 32)))
    assert round(parameters(half) / 1e6, 1) == 21.4
    assert larger.config.stage_channels == (64, 64, 128, 256, 1920)
    # Keras's DenseNet201 without its classifier has 18,092,928 trainable parameters.
    assert parameters(larger.encoder) == 18_092_928


def test_output_is_half_size_and_raw(network):
    y = network(torch.rand(2, 3, 64, 96))
    assert y.shape == (2, 1, 32, 48)


@pytest.mark.parametrize("shape", [(1, 3, 64, 100), (1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 32)])
def test_refuses_other_shapes(network, shape):
    with pytest.raises(UsageError, match="multiples of 32"):
        network(torch.zeros(shape))


def test_config_survives_json():
    config = DenseDepthConfig(**SMALL, inner_activation=True, align_corners=False)
    assert DenseDepthConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "values",
    [
        {"blocks": (6, 12, 32)},
        {"blocks": (6, 12, 0, 32)},
        {"growth": 0},
        {"stem": 10**6},
        {"reduction": 0.0},
        {"reduction": 1.5},
        {"decoder_width": 15},
        {"decoder_width": True},
        {"epsilon": 0.0},
    ],
)
def test_config_refuses(values):
    with pytest.raises(UsageError, match="expected"):
        DenseDepthConfig(**values)


def test_config_refuses_unknown_fields():
    with pytest.raises(UsageError, match="depht"):
        DenseDepthConfig.from_dict({"depht": 3})


def test_relative_depth_clips_as_stated():
    y = torch.tensor([-3.0, 0.0, 0.5, 1.0, 8.0, 100.0, 2000.0])
    expected = torch.tensor([0.01, 1.0, 1.0, 1.0, 0.125, 0.01, 0.01])
    assert torch.equal(relative_depth(y), expected)
    assert relative_depth(torch.tensor(float("nan"))).isnan()


@pytest.mark.parametrize("final_relu", [True, False])
@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("align", [True, False])
def test_folding_keeps_the_function(final_relu, inner, align):
    model = random_network(final_relu=final_relu, inner_activation=inner, align_corners=align)
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        expected = model(images)
        got = folded(model)(images * 255)
    # Folding reorders float32 sums; a wrong scale, shift or slice costs 1e-2 and more.
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


def test_folding_in_bf16_stays_near(network):
    images = torch.randint(0, 256, (2, 3, 64, 96)).float()
    with torch.no_grad():
        expected = network(images / 255)
        got = folded(network, torch.bfloat16)(images.bfloat16())
    assert got.dtype == torch.float32
    # bf16 has 8 bits of mantissa; errors of a dozen layers add up to some per cent of the spread.
    assert float((got - expected).square().mean().sqrt() / expected.std()) < 0.05
