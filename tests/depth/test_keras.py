"""Keras files: every spelling loads to the same network, and damaged files are refused."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path

import h5py
import keras_layout
import numpy as np
import pytest
import torch

from evafast.depth.densedepth.keras import load_keras
from evafast.depth.densedepth.weights import load_weights, save_safetensors
from evafast.errors import UsageError

BLOCKS, WIDTH, SIZE = (1, 2, 1, 1), 64, (64, 96)
WEIGHTS = keras_layout.draw(keras_layout.layout(BLOCKS, width=WIDTH))
STORED = np.load(Path(__file__).parent / "data" / "keras_small.npz")


def relative_error(got: torch.Tensor, expected: np.ndarray) -> float:
    expected = torch.from_numpy(expected).permute(0, 3, 1, 2)
    return float((got - expected).abs().max() / expected.abs().max())


def run(model):
    images = torch.from_numpy(keras_layout.images(1, SIZE)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return model.encoder(images), model(images)


def config_text(new: bool, **graph) -> str:
    return keras_layout.graph(BLOCKS, new=new, **({"inner": False} | graph))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.h5"


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("style", ["old", "new"])
def test_whole_model_gives_what_keras_gave(path, style, inner, align):
    text = config_text(style == "new", inner=inner, half_pixel=not align)
    keras_layout.write(path, WEIGHTS, style=style, config=text)
    model = load_keras(path)
    assert model.config.inner_activation is inner
    assert model.config.align_corners is align
    assert model.config.blocks == BLOCKS
    stages, output = run(model)
    for i, stage in enumerate(stages):
        # Stored: Keras 3 on TensorFlow. Two runs of Keras itself differ by up to 2e-5.
        assert relative_error(stage[:, ::8], STORED[f"stage{i}"]) < 5e-5
    assert relative_error(output, STORED[f"output_inner{int(inner)}_align{int(align)}"]) < 1e-4


@pytest.mark.parametrize("style", ["old", "new", "numbered"])
@pytest.mark.parametrize("parts", [1, 3])
def test_weights_only_files_default_to_nyu(path, style, parts):
    keras_layout.write(path, WEIGHTS, style=style, parts=parts)
    model = load_keras(path)
    assert (model.config.inner_activation, model.config.align_corners) == (False, True)
    assert relative_error(run(model)[1], STORED["output_inner0_align1"]) < 1e-4
    other = load_keras(path, inner_activation=True, align_corners=False)
    assert relative_error(run(other)[1], STORED["output_inner1_align0"]) < 1e-4


def test_the_stored_variants_differ():
    outputs = [STORED[f"output_inner{i}_align{a}"] for i in (0, 1) for a in (0, 1)]
    for i, one in enumerate(outputs):
        for other in outputs[i + 1 :]:
            assert np.abs(one - other).max() / np.abs(one).max() > 1e-3


def test_graph_gives_epsilon_slope_and_final_relu(path):
    text = config_text(True, epsilon=1e-3, slope=0.3, final_relu=False)
    keras_layout.write(path, WEIGHTS, style="new", config=text)
    config = load_keras(path).config
    assert (config.epsilon, config.leaky_slope, config.final_relu) == (1e-3, 0.3, False)


def test_flag_against_the_file_is_refused(path):
    keras_layout.write(path, WEIGHTS, style="new", config=config_text(True, half_pixel=True))
    with pytest.raises(
        UsageError, match=r"inner_activation: expected True, got a file that records"
    ):
        load_keras(path, inner_activation=True)
    with pytest.raises(UsageError, match="align_corners"):
        load_keras(path, align_corners=True)
    assert not load_keras(path, align_corners=False).config.align_corners


def test_shapes_tell_other_networks(path):
    weights = keras_layout.draw(keras_layout.layout((2, 1, 1, 3), growth=8, stem=16, width=32))
    keras_layout.write(path, weights, style="old")
    config = load_keras(path).config
    assert (config.blocks, config.growth, config.stem) == ((2, 1, 1, 3), 8, 16)
    assert (config.decoder_width, config.bottleneck, config.reduction) == (32, 4, 0.5)


def damaged(change):
    weights = copy.deepcopy(WEIGHTS)
    change(weights)
    return weights


@pytest.mark.parametrize("style", ["old", "new", "numbered"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("pool3_bn"), r"expected tensor pool3_bn/gamma, got none"),
        (lambda w: w.pop("up2_convB"), r"expected tensor up2_convB/kernel, got none"),
        (lambda w: w.pop("conv1/conv"), r"expected tensor conv1_conv/kernel, got none"),
        (
            lambda w: w.pop("conv3_block1_0_bn"),
            r"expected tensor conv3_block1_0_bn/gamma, got none",
        ),
        (
            lambda w: w.update(dense={"kernel": np.zeros((1, 1), np.float32)}),
            r"'dense/kernel' \(1 unexpected in all\)",
        ),
        (
            lambda w: w["conv3"].update(kernel=np.zeros((3, 3, 5, 1), np.float32)),
            r"tensor conv3/kernel: expected shape \(3, 3, 4, 1\), got \(3, 3, 5, 1\)",
        ),
        (
            lambda w: w["bn"].update(moving_mean=np.zeros(7, np.float32)),
            r"tensor bn/moving_mean: expected shape",
        ),
        (
            lambda w: w["conv2"].update(bias=np.zeros(WIDTH, np.int32)),
            r"conv2/bias': expected floating point, got int32",
        ),
    ],
)
def test_other_tensors_are_refused(path, style, change, message):
    keras_layout.write(path, damaged(change), style=style)
    with pytest.raises(UsageError, match=message) as error:
        load_keras(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_unlisted_tensor_is_refused(path):
    keras_layout.write(path, WEIGHTS, style="old", config=config_text(False))
    with h5py.File(path, "a") as file:
        file["model_weights/conv2/extra:0"] = np.zeros(3, np.float32)
    with pytest.raises(UsageError, match="unlisted '/model_weights/conv2/extra:0'"):
        load_keras(path)


def test_link_out_of_the_file_is_refused(path, tmp_path):
    keras_layout.write(path, WEIGHTS, style="new")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = WEIGHTS["conv2"]["kernel"]
    with h5py.File(path, "a") as file:
        del file["conv2/conv2/kernel"]
        file["conv2/conv2/kernel"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/kernel")
    with pytest.raises(UsageError, match="link"):
        load_keras(path)


def test_numbered_file_without_names_is_refused(path):
    keras_layout.write(path, WEIGHTS, style="numbered")
    with h5py.File(path, "a") as file:
        del file["layers/layer_0/vars"].attrs["name"]
    with pytest.raises(UsageError, match="save the whole model as"):
        load_keras(path)


def test_other_graphs_are_refused(path):
    def swap(layer):
        if layer["name"] == "up2_concat":
            layer["inbound_nodes"][0].reverse()

    def activated(layer):
        if layer["name"] == "up1_convA":
            layer["config"]["activation"] = "relu"

    def one_epsilon(layer):
        if layer["name"] == "bn":
            layer["config"]["epsilon"] = 1e-3

    for change, message in ((swap, "skip"), (activated, "linear"), (one_epsilon, "epsilon")):
        config = json.loads(config_text(False))
        for layer in config["config"]["layers"]:
            change(layer)
        keras_layout.write(path, WEIGHTS, style="old", config=json.dumps(config))
        with pytest.raises(UsageError, match=message):
            load_keras(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 a .keras archive", r"zip archive"),
        (b"<html>not found</html>", "expected an HDF5 file"),
        (b"", "expected an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "damaged"),
    ],
)
def test_other_files_are_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        load_keras(path)
    assert "\n" not in str(error.value)


def test_truncated_and_flipped_files_never_escape(path):
    keras_layout.write(path, WEIGHTS, style="old", config=config_text(False))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="damaged"):
        load_keras(path)
    # Damage at the front, where the structure is: an error of ours or (harmless bytes) none.
    chance = random.Random(0)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(20):
            data[chance.randrange(8, 40_000)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            load_keras(path)
        except UsageError:
            refused += 1
    assert refused > 5


def test_safetensors_round_trip(path, tmp_path):
    keras_layout.write(path, WEIGHTS, style="old")
    model = load_keras(path)
    for dtype, tolerance in ((torch.float32, 0.0), (torch.float16, 2e-2)):
        target = tmp_path / f"{dtype}.safetensors"
        save_safetensors(model, target, {"metres_per_unit": "10"}, dtype=dtype)
        weights = load_weights(target)
        assert weights.metres_per_unit == 10
        assert weights.model.config == model.config
        assert next(weights.model.parameters()).dtype == torch.float32
        error = (run(weights.model)[1] - run(model)[1]).abs().max()
        assert float(error) <= tolerance


def test_same_weights_give_the_same_file(tmp_path, network):
    metadata = {key: key for key in "abcdefgh"}
    for name, order in (("a", metadata), ("b", dict(reversed(metadata.items())))):
        save_safetensors(network, tmp_path / name, order)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_safetensors_of_other_things_are_refused(tmp_path, network):
    from safetensors.torch import load_file, save_file

    good = tmp_path / "good.safetensors"
    save_safetensors(network, good)
    tensors = load_file(good)
    config = {"densedepth_config": json.dumps(network.config.to_dict())}
    first = sorted(tensors)[0]
    cases = [
        (tensors, None, "densedepth_config"),
        (tensors, {"densedepth_config": "{"}, "densedepth_config"),
        (tensors, {"densedepth_config": '{"blocks": 3}'}, "densedepth_config"),
        ({k: v for k, v in tensors.items() if k != first}, config, f"Missing key.*{first}"),
        (tensors | {"zz": torch.zeros(1)}, config, "Unexpected key.*zz"),
        (tensors | {first: torch.zeros(1, 1)}, config, f"size mismatch for {first}"),
        (tensors, config | {"metres_per_unit": "-1"}, "expected a number > 0"),
    ]
    for changed, metadata, message in cases:
        path = tmp_path / "bad.safetensors"
        save_file(changed, path, metadata=metadata)
        with pytest.raises(UsageError, match=message):
            load_weights(path)
    path.write_bytes(good.read_bytes()[:1000])
    with pytest.raises(UsageError, match="unreadable"):
        load_weights(path)
