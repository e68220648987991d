"""The authors' Keras DenseDepth as a `DenseDepth`: its variant and its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from evafast.depth.densedepth.keras_h5 import KerasFile, inbound, open_keras, refusal
from evafast.depth.densedepth.network import BATCH_COUNTER, DenseDepth, DenseDepthConfig
from evafast.errors import UsageError, quoted

#: Keras's names of a layer's tensors by torch's.
_CONVOLUTION = {"weight": "kernel", "bias": "bias"}
_BATCH_NORM = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance",
}  # fmt: skip
_OTHER = "use a file of DenseDepth"


def load_keras(
    path: str | Path, *, inner_activation: bool | None = None, align_corners: bool | None = None
) -> DenseDepth:
    """Return the network of a Keras DenseDepth file (see `keras_h5`), float32, in eval mode.

    The variant comes from the file's graph if there is one, otherwise from the tensors' shapes and
    the arguments (see `DenseDepthConfig`); what remains unknown is as in the authors' nyu.h5. No
    file records ``align_corners`` of the authors' own layer. `UsageError` if the file is not of
    such a network, or an argument contradicts it.
    """
    name = quoted(path)
    with open_keras(path) as file:
        variant = _shapes_variant(file, name)
        recorded = _graph_variant(file.layers, name) if file.layers is not None else {}
        flags = {"inner_activation": inner_activation, "align_corners": align_corners}
        for flag, value in flags.items():
            if value is not None:
                if recorded.get(flag, value) != value:
                    what = f"a file that records {recorded[flag]}"
                    raise refusal(f"{name}: {flag}", str(value), what, "omit the option")
                variant[flag] = value
        try:
            with torch.device("meta"):  # shapes only: a file that does not fit allocates nothing
                model = DenseDepth(DenseDepthConfig(**variant | recorded))
        except UsageError as error:
            raise refusal(name, "DenseDepth's shapes", f"others ({error})", _OTHER) from error
        return model.assign(_tensors(file, model, name), name)


def _keras_names(config: DenseDepthConfig) -> dict[str, str]:
    """Return the Keras name of every layer that has weights, by its name in `DenseDepth`."""
    names = {"encoder.conv": "conv1_conv", "encoder.bn": "conv1_bn", "encoder.final_bn": "bn"}
    names |= {"decoder.conv2": "conv2", "decoder.conv3": "conv3"}
    parts = {"bn0": "0_bn", "conv1": "1_conv", "bn1": "1_bn", "conv2": "2_conv"}
    for stage, layers in enumerate(config.blocks):
        for i in range(layers):
            layer, block = f"encoder.blocks.{stage}.layers.{i}", f"conv{stage + 2}_block{i + 1}"
            names |= {f"{layer}.{ours}": f"{block}_{theirs}" for ours, theirs in parts.items()}
    for i in range(3):
        names |= {f"encoder.transitions.{i}.{k}": f"pool{i + 2}_{k}" for k in ("bn", "conv")}
    for i in range(4):
        names |= {f"decoder.up.{i}.conv_{k}": f"up{i + 1}_conv{k.upper()}" for k in "ab"}
    return names


def _tensors(file: KerasFile, model: DenseDepth, name: str) -> dict[str, torch.Tensor]:
    names = _keras_names(model.config)
    datasets: dict[str, h5py.Dataset] = {}
    unexpected = set(file.weights)
    for key, tensor in model.state_dict().items():
        module, _, parameter = key.rpartition(".")
        if parameter == BATCH_COUNTER:
            continue
        layer, shape = names[module], tuple(tensor.shape)
        role = (_BATCH_NORM if layer.endswith("bn") else _CONVOLUTION)[parameter]
        if role == "kernel":  # Keras keeps kernels as (height, width, in, out)
            shape = (*shape[2:], shape[1], shape[0])
        dataset = _dataset(file, layer, role, name)
        if dataset.shape != shape:
            raise refusal(f"{name}: tensor {layer}/{role}", f"shape {shape}", dataset.shape, _OTHER)
        unexpected.discard((layer, role))
        datasets[key] = dataset
    if unexpected:
        what = f"{quoted('/'.join(min(unexpected)))} ({len(unexpected)} unexpected in all)"
        raise refusal(name, "only DenseDepth's tensors", what, _OTHER)
    tensors = {}
    for key, dataset in datasets.items():  # after all shapes are known to fit
        values = np.asarray(dataset[()], dtype=np.float32)
        values = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values
        tensors[key] = torch.from_numpy(np.ascontiguousarray(values))
    return tensors


def _dataset(file: KerasFile, layer: str, role: str, name: str) -> h5py.Dataset:
    if (layer, role) not in file.weights:
        raise refusal(name, f"tensor {layer}/{role}", "none", _OTHER)
    return file.weights[layer, role]


def _shapes_variant(file: KerasFile, name: str) -> dict[str, Any]:
    def kernel(layer: str) -> tuple[int, ...]:
        shape: tuple[int, ...] = _dataset(file, layer, "kernel", name).shape
        if len(shape) != 4 or 0 in shape:
            what = f"{name}: tensor {layer}/kernel"
            raise refusal(what, "4 dimensions", f"shape {shape}", _OTHER)
        return shape

    found: dict[str, set[str]] = {stage: set() for stage in "2345"}
    for layer, _ in file.weights:
        if match := re.fullmatch(r"conv([2-5])_block(\d+)_.*", layer):
            found[match[1]].add(match[2])
    growth = kernel("conv2_block1_2_conv")[3]
    before, kept = kernel("pool2_conv")[2:]
    return {
        "blocks": tuple(len(layers) for layers in found.values()),
        "growth": growth,
        "stem": kernel("conv1_conv")[3],
        "bottleneck": max(kernel("conv2_block1_1_conv")[3] // growth, 1),
        "reduction": 0.5 if before // 2 == kept else min(kept / before, 1.0),
        "decoder_width": kernel("conv2")[3],
    }


def _graph_variant(layers: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """Return what the graph records; refuse one that `DenseDepth` cannot express."""

    def refuse(expected: str, got: object) -> UsageError:
        return refusal(name, expected, quoted(got), "use a file of a known DenseDepth variant")

    def at(layer: str) -> dict[str, Any]:
        if layer not in layers:
            raise refuse(f"a layer {layer} in model_config", "none")
        return layers[layer]

    def single_input(layer: str) -> str:
        names = inbound(at(layer))
        if len(names) != 1:
            raise refuse(f"one input to {layer}", names)
        return names[0]

    def common(what: str, values: list[Any]) -> Any:
        if len(set(values)) != 1:
            raise refuse(f"one {what} throughout", sorted(set(values), key=str))
        return values[0]

    def of_class(kind: str, value: Callable[[dict[str, Any]], Any]) -> list[Any]:
        return [value(layer["config"]) for layer in layers.values() if layer["class_name"] == kind]

    activations = of_class("Conv2D", lambda c: c["activation"])
    common("activation 'linear' of convolutions", [*activations, "linear"])
    inner, kinds = [], []
    for i, expected in enumerate(("pool3_pool", "pool2_pool", "pool1", "conv1_relu"), 1):
        before, source = f"up{i}_convA", single_input(f"up{i}_convB")
        inner.append(source != before)
        leaky = at(source)["class_name"] == "LeakyReLU"
        if inner[-1] and not (leaky and single_input(source) == before):
            raise refuse(f"a LeakyReLU or nothing between {before} and up{i}_convB", source)
        resize, skip = [*inbound(at(single_input(before))), "", ""][:2]
        if skip != expected:
            raise refuse(f"up{i} to read its upsampled input, then its skip", skip)
        kinds.append((at(resize)["class_name"], at(resize)["config"].get("interpolation")))
    epsilons = of_class("BatchNormalization", lambda c: float(c["epsilon"]))
    # tf_keras stores 0.2 as the float32 0.20000000298.
    slopes = of_class(
        "LeakyReLU", lambda c: round(float(c.get("alpha", c.get("negative_slope", 0))), 6)
    )
    variant = {
        "epsilon": common("BatchNorm epsilon", epsilons),
        "leaky_slope": common("LeakyReLU slope", slopes),
        "inner_activation": common("inner activation", inner),
        "final_relu": single_input("conv2") != "bn",
    }
    kind, interpolation = common("upsampling layer", kinds)
    if kind == "UpSampling2D":
        if interpolation != "bilinear":
            raise refuse("bilinear upsampling", interpolation)
        variant["align_corners"] = False
    return variant
