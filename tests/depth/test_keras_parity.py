"""The standard network beside real Keras: built, filled and saved by Keras, loaded by us.

Runs where Keras is installed (``pip install keras tensorflow-cpu tf-keras``); Keras 3 uses the
backend of ``KERAS_BACKEND``. tf_keras is Keras 2, whose files are spelled like the authors'.
"""

from __future__ import annotations

import keras_layout
import numpy as np
import pytest
import torch

from evafast.depth.densedepth.inference import folded
from evafast.depth.densedepth.keras import load_keras
from evafast.depth.estimator import DepthEstimator

pytestmark = pytest.mark.keras

BLOCKS = (6, 12, 32, 32)


def relative_error(got: torch.Tensor, expected: np.ndarray) -> float:
    expected = torch.from_numpy(np.array(expected)).permute(0, 3, 1, 2)
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("size", [(224, 224), (480, 640)], ids=str)
@pytest.mark.parametrize("align", [True, False], ids=["aligned", "half_pixel"])
@pytest.mark.parametrize("inner", [False, True], ids=["plain", "inner"])
@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_standard_network_gives_what_keras_gives(tmp_path, package, inner, align, size):
    keras = pytest.importorskip(package)
    import keras_reference

    weights = keras_layout.draw(keras_layout.layout(BLOCKS), seed=1)
    variances = np.concatenate([w["moving_variance"] for w in weights.values() if "gamma" in w])
    assert (variances < 3e-5).sum() > 100
    model = keras_reference.build(
        keras, blocks=BLOCKS, size=size, inner_activation=inner, align_corners=align
    )
    keras_reference.fill(model, weights)
    images = keras_layout.images(1, size)
    expected = keras_reference.stages(keras, model, images)

    whole = tmp_path / "whole.h5"
    model.save(whole)
    loaded = load_keras(whole)
    assert sum(p.numel() for p in loaded.parameters()) == 42_657_689
    assert loaded.config.inner_activation is inner
    assert loaded.config.align_corners is align
    only = tmp_path / ("only.weights.h5" if package == "keras" else "only.h5")
    model.save_weights(only)
    again = load_keras(only, inner_activation=inner, align_corners=align)
    for (name, one), other in zip(
        loaded.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert again.config.to_dict() == loaded.config.to_dict()

    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        errors = [
            relative_error(got, stage)
            for got, stage in zip((*loaded.encoder(x), loaded(x)), expected, strict=True)
        ]
        folded_error = relative_error(folded(loaded)(x * 255), expected[-1])
    figures = " ".join(f"{e:.1e}" for e in errors)
    print(f"\nmax relative error, five stages and output: {figures}; folded {folded_error:.1e}")
    assert max(errors) < 1e-4
    assert folded_error < 1e-4

    estimator = DepthEstimator.load(
        only, precision="fp32", input_size=min(size), inner_activation=inner, align_corners=align
    )
    maps = estimator(torch.from_numpy(np.rint(images * 255).astype(np.uint8)))
    # Where y is near 0 or clipped, a relative error of y means nothing: depth itself is compared.
    y = torch.from_numpy(np.array(expected[-1]))[..., 0]
    depth = torch.clamp(1000 / y, 10, 1000) / 1000
    depth = torch.nn.functional.interpolate(depth[None], size, mode="bilinear")[0]
    assert float((maps.depth - depth).abs().median()) < 1e-4
