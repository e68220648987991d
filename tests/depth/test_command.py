"""``evafast depth``: exit codes, one clear line per error, and what it writes."""

from __future__ import annotations

import cv2
import keras_layout
import numpy as np
import pytest
import torch

from evafast.depth import __main__ as command
from evafast.depth.densedepth.weights import load_weights, save_safetensors
from evafast.depth.encoding import encode
from evafast.depth.estimator import DepthEstimator


@pytest.fixture
def keras_file(tmp_path):
    keras_layout.write(tmp_path / "nyu.h5", keras_layout.draw(keras_layout.TINY), style="old")
    return tmp_path / "nyu.h5"


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a b.png"), pixels[..., ::-1])
    return tmp_path / "a b.png", pixels


def run(capsys, *arguments):
    code = command.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_convert_keeps_the_network(capsys, tmp_path, keras_file):
    target = tmp_path / "other.safetensors"
    code, out, _ = run(capsys, "convert", keras_file, target)
    assert code == 0
    assert "parameters" in out
    weights = load_weights(target)
    assert weights.metres_per_unit == 10
    state = load_weights(keras_file).model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in weights.model.state_dict().items())

    code, _, err = run(capsys, "convert", keras_file, target)
    assert code == 2
    assert "--force" in err
    code, *_ = run(
        capsys, "convert", keras_file, target, "--force", "--half", "--inner-activation",
        "--no-align-corners", "--metres-per-unit", "80",
    )  # fmt: skip
    assert code == 0
    weights = load_weights(target)
    assert weights.metres_per_unit == 80
    assert weights.model.config.inner_activation
    assert not weights.model.config.align_corners
    code, _, err = run(capsys, "convert", keras_file, tmp_path / "x.pt")
    assert code == 2
    assert ".safetensors" in err


def test_predict_writes_millimetres_and_colors(capsys, tmp_path, keras_file, image):
    path, pixels = image
    out = tmp_path / "new" / "folder"
    options = ("--depth", keras_file, "--precision", "fp32", "--depth-input", 64, "--out", out)
    code, text, _ = run(capsys, "predict", path, *options)
    assert code == 0
    assert "millimetres" in text
    depth = cv2.imread(str(out / "a b.depth.png"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16
    estimator = DepthEstimator.load(keras_file, precision="fp32", input_size=64)
    maps = estimator(torch.from_numpy(pixels)[None])
    expected = encode(maps.depth, "metric16", 10.0).codes[0].numpy()
    assert np.array_equal(depth, expected)
    colour = cv2.imread(str(out / "a b.colour.png"))
    assert colour.shape == (48, 80, 3)
    # Inferno: the nearest pixel is bright, the farthest nearly black.
    depth = maps.depth[0].numpy()
    nearest, farthest = (np.unravel_index(f(depth), depth.shape) for f in (np.argmin, np.argmax))
    assert colour[nearest].sum() > 400 > 40 > colour[farthest].sum()
    assert sorted(p.name for p in out.iterdir()) == ["a b.colour.png", "a b.depth.png"]


def test_predict_relative(capsys, tmp_path, network, image):
    save_safetensors(network, tmp_path / "own.safetensors")
    options = ("--depth", tmp_path / "own.safetensors", "--depth-input", 64, "--out", tmp_path)
    code, text, _ = run(capsys, "predict", image[0], *options, "--precision", "fp32")
    assert code == 0
    assert "65535" in text
    depth = cv2.imread(str(tmp_path / "a b.depth.png"), cv2.IMREAD_UNCHANGED)
    estimator = DepthEstimator.load(tmp_path / "own.safetensors", precision="fp32", input_size=64)
    expected = estimator(torch.from_numpy(image[1])[None]).depth[0].numpy()
    assert np.abs(depth / 65535 - expected).max() < 1e-5


def test_evaluate_prints_both_averages(capsys, tmp_path, keras_file, image):
    (tmp_path / "images").mkdir()
    (tmp_path / "depth").mkdir()
    image[0].rename(tmp_path / "images" / "a b.png")
    np.save(tmp_path / "depth" / "a b.npy", np.full((48, 80), 2.0, np.float32))
    options = ("--depth", keras_file, "--depth-input", 64, "--crop", "none")
    code, out, _ = run(capsys, "evaluate", tmp_path, *options)
    assert code == 0
    assert "1 images" in out
    assert out.count("delta1") == out.count("rms") == 2
    code, _, err = run(capsys, "evaluate", tmp_path, *options[:-2])
    assert code == 2
    assert "--crop none" in err


def test_user_errors_are_one_line(capsys, tmp_path, keras_file, image, home):
    path, _ = image
    (tmp_path / "twin").mkdir()
    twin = tmp_path / "twin" / "a b.png"
    twin.write_bytes(path.read_bytes())
    text = tmp_path / "text.png"
    text.write_text("not an image")
    cases: list[tuple] = [
        ("predict", tmp_path / "nope.png"),
        ("predict", path, "--depth", "nope.h5"),
        ("predict", path, "--depth", "nyu", "--offline"),
        ("predict", path, twin, "--depth", keras_file),
        ("predict", text, "--depth", keras_file, "--out", tmp_path),
        ("predict", path, "--depth", text),
        ("predict", path, "--depth", keras_file, "--depth-input", 50),
        ("predict", path, "--depth", keras_file, "--device", "abacus"),
        ("predict", path, "--depth", keras_file, "--out", path),
        ("evaluate", tmp_path / "nowhere"),
        ("evaluate", tmp_path, "--depth", keras_file),
        ("convert", path, tmp_path / "x.safetensors"),
        ("convert", keras_file, tmp_path / "no" / "folder" / "x.safetensors"),
    ]
    cases += [
        ("fetch", "foo"),
        ("fetch",),
        ("predict",),
        (),
        ("predict", "x", "--metres-per-unit", "0"),
        ("predict", "x", "--precision", "fp8"),
        ("predict", "x", "--no-such-option"),
        ("evaluate", "x", "--crop", "half"),
    ]
    for arguments in cases:
        code, _, err = run(capsys, *arguments)
        assert code == 2, (arguments, err)
        assert err.startswith("error: "), arguments
        assert err.count("\n") == 1, (arguments, err)


def test_interrupt_is_130(capsys, monkeypatch, keras_file, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("evafast.depth.densedepth.weights.load_weights", interrupted)
    code, _, err = run(capsys, "convert", keras_file, tmp_path / "x.safetensors")
    assert code == 130
    assert "interrupted" in err


def test_nan_depth_is_a_failure(capsys, tmp_path, image):
    weights = keras_layout.draw(keras_layout.TINY)
    weights["conv3"]["bias"][:] = np.nan
    keras_layout.write(tmp_path / "bad.h5", weights, style="old")
    code, _, err = run(
        capsys, "predict", image[0], "--depth", tmp_path / "bad.h5", "--out", tmp_path
    )
    assert code == 1
    assert "a b.png" in err
