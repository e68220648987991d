"""The authors' Keras DenseDepth as a `DenseDepth`: its variant and its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import nn

from evafast.depth.densedepth.keras_h5 import KerasFile, inbound, open_keras, refusal
from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig
from evafast.errors import UsageError, quoted

_TORCH_NAME = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_OTHER = "use a file of DenseDepth"


def load_keras(
    path: str | Path, *, inner_activation: bool | None = None, align_corners: bool | None = None
) -> DenseDepth:
    """Return the network of a Keras DenseDepth file, float32, in eval mode.

    The variant comes from the file's graph if there is one, otherwise from the tensors' shapes and
    the arguments; what remains unknown is as in the authors' nyu.h5.

    Parameters
    ----------
    path : str or Path
        Whole model or weights only, of any Keras version (see `keras_h5`).
    inner_activation, align_corners : bool, optional
        See `DenseDepthConfig`. No file records ``align_corners`` of the authors' own layer.

    Raises
    ------
    UsageError
        If the file is not of such a network, a tensor is missing, unexpected or of the wrong shape,
        or an argument contradicts the file.
    """
    name = quoted(path)
    with open_keras(path) as file:
        variant = _shapes_variant(file, name)
        recorded = _graph_variant(file.layers, name) if file.layers is not None else {}
        for flag, value in (
            ("inner_activation", inner_activation),
            ("align_corners", align_corners),
        ):
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


def keras_names(model: DenseDepth) -> Iterator[tuple[str, nn.Module]]:
    """Yield every layer that has weights, with its name in Keras."""
    encoder, decoder = model.encoder, model.decoder
    yield "conv1_conv", encoder.conv
    yield "conv1_bn", encoder.bn
    for stage, block in enumerate(encoder.blocks, 2):
        for i, layer in enumerate(block.layers, 1):  # type: ignore[arg-type]
            prefix = f"conv{stage}_block{i}"
            yield f"{prefix}_0_bn", layer.bn0
            yield f"{prefix}_1_conv", layer.conv1
            yield f"{prefix}_1_bn", layer.bn1
            yield f"{prefix}_2_conv", layer.conv2
        if stage < 5:
            yield f"pool{stage}_bn", encoder.transitions[stage - 2].bn  # type: ignore[misc]
            yield f"pool{stage}_conv", encoder.transitions[stage - 2].conv  # type: ignore[misc]
    yield "bn", encoder.final_bn
    yield "conv2", decoder.conv2
    for i, up in enumerate(decoder.up, 1):
        yield f"up{i}_convA", up.conv_a  # type: ignore[misc]
        yield f"up{i}_convB", up.conv_b  # type: ignore[misc]
    yield "conv3", decoder.conv3


def _roles(module: nn.Module) -> tuple[str, ...]:
    if isinstance(module, nn.BatchNorm2d):
        return "gamma", "beta", "moving_mean", "moving_variance"
    return ("kernel",) if module.bias is None else ("kernel", "bias")


def _tensors(file: KerasFile, model: DenseDepth, name: str) -> dict[str, torch.Tensor]:
    unexpected = set(file.weights)
    datasets: dict[str, h5py.Dataset] = {}
    prefixes = {module: prefix for prefix, module in model.named_modules()}
    for layer, module in keras_names(model):
        for role in _roles(module):
            dataset = _dataset(file, layer, role, name)
            shape = tuple(getattr(module, _TORCH_NAME[role]).shape)
            # Keras keeps kernels as (height, width, in, out).
            expected = (*shape[2:], shape[1], shape[0]) if role == "kernel" else shape
            if dataset.shape != expected:
                raise refusal(
                    f"{name}: tensor {layer}/{role}", f"shape {expected}", dataset.shape, _OTHER
                )
            unexpected.discard((layer, role))
            datasets[f"{prefixes[module]}.{_TORCH_NAME[role]}"] = dataset
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
    dataset = file.weights.get((layer, role))
    if dataset is None:
        raise refusal(name, f"tensor {layer}/{role}", "none", _OTHER)
    return dataset


def _shapes_variant(file: KerasFile, name: str) -> dict[str, Any]:
    def kernel(layer: str) -> tuple[int, ...]:
        shape: tuple[int, ...] = _dataset(file, layer, "kernel", name).shape
        if len(shape) != 4 or 0 in shape:
            raise refusal(
                f"{name}: tensor {layer}/kernel", "4 dimensions", f"shape {shape}", _OTHER
            )
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
    # tf_keras stores 0.2 as the float32 0.20000000298.
    slopes = of_class(
        "LeakyReLU", lambda c: round(float(c.get("alpha", c.get("negative_slope", 0))), 6)
    )
    inner, kinds = [], []
    for i, expected in enumerate(("pool3_pool", "pool2_pool", "pool1", "conv1_relu"), 1):
        source = single_input(f"up{i}_convB")
        inner.append(source != f"up{i}_convA")
        if inner[-1] and (
            at(source)["class_name"] != "LeakyReLU" or single_input(source) != f"up{i}_convA"
        ):
            raise refuse(f"a LeakyReLU or nothing between up{i}_convA and up{i}_convB", source)
        resize, skip = [*inbound(at(single_input(f"up{i}_convA"))), "", ""][:2]
        if skip != expected:
            raise refuse(f"up{i} to read its upsampled input, then its skip", skip)
        config = at(resize)["config"]
        kinds.append((at(resize)["class_name"], config.get("interpolation")))
    variant = {
        "epsilon": common(
            "BatchNorm epsilon", of_class("BatchNormalization", lambda c: float(c["epsilon"]))
        ),
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
