"""The authors' Keras DenseDepth as this package's network: which variant it is, and its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import nn

from evafast.depth.densedepth.keras_h5 import KerasFile, inbound, open_keras
from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig
from evafast.depth.densedepth.state import load_state
from evafast.errors import UsageError, quoted

_TORCH_NAME = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def load_keras(
    path: str | Path, *, inner_activation: bool | None = None, align_corners: bool | None = None
) -> DenseDepth:
    """Return the network of a Keras DenseDepth file, float32, in eval mode.

    The variant comes from the file's graph where it has one, from the tensors' shapes otherwise,
    and from the arguments where neither tells; what is then still unknown is as in the authors'
    nyu.h5.

    Parameters
    ----------
    path : str or Path
        Whole model or weights only, of any Keras (see `keras_h5`).
    inner_activation, align_corners : bool, optional
        See `DenseDepthConfig`. No file records ``align_corners`` of the authors' own layer.

    Raises
    ------
    UsageError
        If the file is not such a network's, a tensor is missing, left over or wrongly shaped, or an
        argument contradicts the file.
    """
    name = quoted(path)
    with open_keras(path) as file:
        found = _shapes_variant(file, name)
        recorded = _graph_variant(file.layers, name) if file.layers is not None else {}
        flags = {"inner_activation": inner_activation, "align_corners": align_corners}
        for flag, expected in flags.items():
            if expected is not None and recorded.get(flag, expected) != expected:
                raise UsageError(
                    f"{name}: {flag}: expected {expected}, got a file that records {recorded[flag]}; "
                    "leave the option out"
                )
        found |= {flag: value for flag, value in flags.items() if value is not None} | recorded
        try:
            with torch.device(
                "meta"
            ):  # shapes only: nothing is allocated for a file that does not fit
                model = DenseDepth(DenseDepthConfig(**found))
        except UsageError as error:
            raise UsageError(f"{name}: expected DenseDepth's shapes, got others ({error})") from error
        tensors = _tensors(file, model, name)
    load_state(model, tensors, name)
    return model.eval()


def keras_names(model: DenseDepth) -> Iterator[tuple[str, nn.Module]]:
    """Yield every weighted layer with the name that Keras gives it."""
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
    left = set(file.weights)
    datasets: dict[str, h5py.Dataset] = {}
    prefixes = {module: prefix for prefix, module in model.named_modules()}
    for layer, module in keras_names(model):
        for role in _roles(module):
            dataset = _dataset(file, layer, role, name)
            shape = tuple(getattr(module, _TORCH_NAME[role]).shape)
            # Keras keeps kernels as (height, width, in, out).
            expected = (*shape[2:], shape[1], shape[0]) if role == "kernel" else shape
            if dataset.shape != expected:
                raise UsageError(
                    f"{name}: tensor {layer}/{role}: expected shape {expected}, got {dataset.shape}; "
                    "the file is of another network"
                )
            left.discard((layer, role))
            datasets[f"{prefixes[module]}.{_TORCH_NAME[role]}"] = dataset
    if left:
        raise UsageError(
            f"{name}: expected DenseDepth's tensors only, got {quoted('/'.join(min(left)))} left "
            f"over "
            f"({len(left)} in all); the file is of another network"
        )
    tensors = {}
    for key, dataset in datasets.items():
        values = np.asarray(dataset[()], dtype=np.float32)
        values = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values
        tensors[key] = torch.from_numpy(np.ascontiguousarray(values))
    return tensors


def _dataset(file: KerasFile, layer: str, role: str, name: str) -> h5py.Dataset:
    dataset = file.weights.get((layer, role))
    if dataset is None:
        raise UsageError(
            f"{name}: expected tensor {layer}/{role}, got none; the file is of another network"
        )
    return dataset


def _shapes_variant(file: KerasFile, name: str) -> dict[str, Any]:
    def kernel(layer: str) -> tuple[int, ...]:
        shape = _dataset(file, layer, "kernel", name).shape
        if len(shape) != 4 or 0 in shape:
            raise UsageError(
                f"{name}: tensor {layer}/kernel: expected 4 dimensions, got shape {shape}; "
                "the file is of another network"
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
    """Return what the graph records; refuse one that this network cannot express."""

    def refuse(expected: str, got: object) -> UsageError:
        return UsageError(
            f"{name}: expected {expected}, got {quoted(got)}; this variant of DenseDepth is not known"
        )

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

    common(
        "activation 'linear' of convolutions",
        [*of_class("Conv2D", lambda c: c["activation"]), "linear"],
    )
    # tf_keras stores 0.2 as the float32 0.20000000298.
    slopes = of_class(
        "LeakyReLU", lambda c: round(float(c.get("alpha", c.get("negative_slope", 0))), 6)
    )
    inner, kinds = [], []
    for i in range(1, 5):
        source = single_input(f"up{i}_convB")
        inner.append(source != f"up{i}_convA")
        if inner[-1] and (
            at(source)["class_name"] != "LeakyReLU" or single_input(source) != f"up{i}_convA"
        ):
            raise refuse(f"a LeakyReLU or nothing between up{i}_convA and up{i}_convB", source)
        resize, skip = [*inbound(at(single_input(f"up{i}_convA"))), "", ""][:2]
        if skip != ("pool3_pool", "pool2_pool", "pool1", "conv1_relu")[i - 1]:
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
