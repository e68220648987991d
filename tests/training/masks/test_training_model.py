"""The network: its size, invariance to exposure, and export."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import UsageError
from training.masks.export import save
from training.masks.model import PRESETS, ModelConfig, build, parameter_count, standardized


def test_presets_have_the_documented_number_of_parameters():
    counts = {name: parameter_count(build(name)) for name in PRESETS}
    assert 10.5e6 < counts["full"] < 11.5e6
    assert counts["small"] < 1.8e6
    assert counts["tiny"] < 100e3


@pytest.mark.parametrize("name", list(PRESETS))
def test_outputs_have_the_size_of_the_images(name):
    model = build(name, depth_scale=3.0).eval()
    side = 2 * PRESETS[name].stride
    with torch.no_grad():
        mask, depth = model(torch.rand(2, 3, side, 3 * side), torch.rand(2, 3, side, 3 * side))
    assert mask.shape == depth.shape == (2, 1, side, 3 * side)
    assert 1 < depth.mean() < 6  # starts near the scale


def test_exposure_cancels():
    image = torch.rand(2, 3, 32, 32)
    assert torch.allclose(standardized(image), standardized(0.6 * image + 0.2), atol=1e-3)
    assert standardized(torch.full((1, 3, 8, 8), 0.5)).abs().max() < 1e-4


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_export_and_back(tmp_path, suffix):
    torch.manual_seed(0)
    model = build("tiny", depth_scale=0.4)
    model.train()(torch.rand(4, 3, 16, 16), torch.rand(4, 3, 16, 16))  # statistics off the default
    model.eval()
    path = tmp_path / f"net.{suffix}"
    background, composite = torch.rand(5, 3, 16, 16), torch.rand(5, 3, 16, 16)
    with torch.no_grad():
        expected = model(background, composite)
    if suffix == "pt2":
        save(model, 16, path)
        found = torch.export.load(path).module()(background, composite)
    else:
        onnx = pytest.importorskip("onnx")
        pytest.importorskip("onnxscript")
        from onnx.reference import ReferenceEvaluator

        save(model, 16, path)
        onnx.checker.check_model(onnx.load(path))
        found = ReferenceEvaluator(str(path)).run(
            ["mask_logits", "depth"],
            {"background": background.numpy(), "composite": composite.numpy()},
        )
        found = [torch.from_numpy(x) for x in found]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    with pytest.raises(UsageError, match="expected a new file"):
        save(model, 16, path)


def test_a_config_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="blocks: expected 2"):
        ModelConfig(widths=(8, 8), blocks=(1,), mask_widths=(8,), depth_widths=(8,), fold=1)
    with pytest.raises(UsageError, match="preset: expected full, small, tiny, got 'huge'"):
        build("huge")
