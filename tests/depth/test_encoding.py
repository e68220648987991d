"""Encodings: what each code means, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evafast.depth.encoding import EncodedDepth, check_encoding, decode, encode
from evafast.errors import UsageError


def test_minmax8_by_hand():
    depth = torch.tensor([[[1.0, 2.0, 3.0], [1.5, 5.0, 4.999]], [[7.0, 7.0, 7.0]] * 2])
    encoded = encode(depth, "minmax8")
    assert encoded.codes.dtype == torch.uint8
    # (2 - 1) / 4 * 255 = 63.75; 127.5 rounds up; 31.875; 254.94.
    assert encoded.codes[0].tolist() == [[0, 64, 128], [32, 255, 255]]
    assert encoded.codes[1].tolist() == [[0, 0, 0]] * 2
    assert encoded.low.tolist() == [1.0, 7.0]
    assert encoded.high.tolist() == [5.0, 7.0]


def test_minmax8_comes_back_within_half_a_step():
    depth = torch.rand(16, 31, 17) * torch.logspace(-3, 3, 16)[:, None, None] + 0.1
    encoded = encode(depth)
    decoded = decode(encoded)
    assert decoded.dtype == torch.float32
    half = (encoded.high - encoded.low)[:, None, None] / 510
    assert bool(((decoded - depth).abs() <= half * (1 + 1e-4) + 1e-7).all())
    assert torch.equal(torch.amin(decoded, (1, 2)), encoded.low)
    assert torch.equal(torch.amax(decoded, (1, 2)), encoded.high)
    again = encode(decoded)
    assert torch.equal(again.codes, encoded.codes)


def test_constant_map_comes_back_exactly():
    depth = torch.full((1, 3, 3), 0.1)
    assert torch.equal(decode(encode(depth)), depth)


def test_minmax8_of_bad_values_is_zero():
    depth = torch.tensor([[[float("nan"), 1.0]], [[float("inf"), 1.0]]])
    assert encode(depth).codes[0].tolist() == [[0, 0]]


def test_batch_does_not_matter():
    depth = torch.rand(5, 8, 8)
    whole = encode(depth)
    for i in range(5):
        assert torch.equal(encode(depth[i : i + 1]).codes[0], whole.codes[i])


def test_metric16_by_hand():
    depth = torch.tensor([[[0.5, 0.12345, 1e-7, 0.0, -1.0, 0.00005]]])
    encoded = encode(depth, "metric16", 10.0)
    assert encoded.codes.dtype == torch.uint16
    # 10 m per unit: 5 m; float32's 0.12345 is a little more, so 1234.5 mm rounds up; positive
    # depths are 1 mm at the least; 0 and below mean no measurement.
    assert encoded.codes.int().tolist() == [[[5000, 1235, 1, 0, 0, 1]]]
    high = encode(torch.tensor([[[0.9, float("inf"), float("nan")]]]), "metric16", 80.0)
    assert high.codes.int().tolist() == [[[65535, 0, 0]]]


@pytest.mark.parametrize("scale", [1.0, 10.0, 80.0, 0.37])
def test_every_metric16_code_comes_back(scale):
    codes = torch.arange(65536, dtype=torch.int32).reshape(1, 256, 256).to(torch.uint16)
    none = torch.zeros(1)
    depth = decode(
        EncodedDepth(codes=codes, low=none, high=none, encoding="metric16", metres_per_unit=scale)
    )
    assert torch.equal(encode(depth, "metric16", scale).codes.int(), codes.int())


def test_metric16_is_within_half_a_millimetre():
    depth = torch.rand(4, 50, 50) * 0.99 + 0.01
    decoded = decode(encode(depth, "metric16", 10.0))
    assert float((decoded - depth).abs().max()) * 10_000 <= 0.5 + 1e-2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metric16", None), "a model of unknown scale"),
        (("metric16", 0.0), "expected a number > 0"),
        (("minmax16", None), "expected minmax8, metric16"),
    ],
)
def test_refuses_encodings_that_do_not_fit(arguments, message):
    with pytest.raises(UsageError, match=message):
        check_encoding(*arguments)
    with pytest.raises(UsageError, match=message):
        encode(torch.rand(1, 2, 2), *arguments)


@pytest.mark.parametrize(
    "depth", [torch.rand(2, 2), torch.rand(1, 2, 2).double(), torch.zeros(0, 2, 2)]
)
def test_refuses_other_tensors(depth):
    with pytest.raises(UsageError, match="expected non-empty float32"):
        encode(depth)


def test_agrees_with_numpy():
    depth = np.random.default_rng(0).random((3, 20, 20), np.float32)
    codes = encode(torch.from_numpy(depth)).codes.numpy()
    for i, image in enumerate(depth):
        t = (image - image.min()) / (image.max() - image.min())
        assert np.array_equal(codes[i], np.floor(t * np.float32(255) + np.float32(0.5)))
