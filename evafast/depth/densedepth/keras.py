"""The authors' Keras DenseDepth, read with h5py alone: its variant and its tensors.

Four layouts are read: a whole model (``/model_weights``, graph in the attribute
``model_config``), ``save_weights`` of Keras 1 and 2 (the same groups at the root), and Keras 3's
``.weights.h5`` (``/layers/NAME/vars/0..3``, Keras's own name in an attribute). Nothing is
unpickled: only arrays, text and JSON are read, and shapes are checked before any array is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from evafast.depth.densedepth.network import BATCH_COUNTER, DenseDepth, DenseDepthConfig
from evafast.errors import UsageError, quoted, refusal

#: First bytes of every HDF5 file.
SIGNATURE = b"\x89HDF\r\n\x1a\n"

_Datasets = dict[tuple[str, str], h5py.Dataset]  # by layer and role, such as kernel
_Layers = dict[str, dict[str, Any]]  # the graph's, by name

#: Keras's names of a layer's tensors by torch's.
_CONVOLUTION = {"weight": "kernel", "bias": "bias"}
_BATCH_NORM = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance",
}  # fmt: skip
#: The same for Keras 3's numbered tensors, by the number of tensors in a layer.
_ROLES = {1: ("kernel",), 2: (*_CONVOLUTION.values(),), 4: (*_BATCH_NORM.values(),)}

_OTHER, _SAVE = "use a file of DenseDepth", "save it again"


def load_keras(
    path: str | Path, *, inner_activation: bool | None = None, align_corners: bool | None = None
) -> DenseDepth:
    """Return the network of a Keras DenseDepth file (see the module), float32, in eval mode.

    The variant comes from the file's graph if there is one, otherwise from the tensors' shapes and
    the arguments (see `DenseDepthConfig`); what remains unknown is as in the authors' nyu.h5. No
    file records ``align_corners`` of the authors' own layer. `UsageError` if the file is not of
    such a network, or an argument contradicts it.
    """
    name = quoted(path)
    with _open(path) as (weights, layers):
        variant = _shapes_variant(weights, name)
        recorded = _graph_variant(layers, name) if layers is not None else {}
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
        return model.assign(_tensors(weights, model, name), name)


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


def _tensors(weights: _Datasets, model: DenseDepth, name: str) -> dict[str, torch.Tensor]:
    names = _keras_names(model.config)
    datasets: dict[str, h5py.Dataset] = {}
    unexpected = set(weights)
    for key, tensor in model.state_dict().items():
        module, _, parameter = key.rpartition(".")
        if parameter == BATCH_COUNTER:
            continue
        layer, shape = names[module], tuple(tensor.shape)
        role = (_BATCH_NORM if layer.endswith("bn") else _CONVOLUTION)[parameter]
        if role == "kernel":  # Keras keeps kernels as (height, width, in, out)
            shape = (*shape[2:], shape[1], shape[0])
        dataset = _dataset(weights, layer, role, name)
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


def _dataset(weights: _Datasets, layer: str, role: str, name: str) -> h5py.Dataset:
    if (layer, role) not in weights:
        raise refusal(name, f"tensor {layer}/{role}", "none", _OTHER)
    return weights[layer, role]


def _shapes_variant(weights: _Datasets, name: str) -> dict[str, Any]:
    def kernel(layer: str) -> tuple[int, ...]:
        shape: tuple[int, ...] = _dataset(weights, layer, "kernel", name).shape
        if len(shape) != 4 or 0 in shape:
            what = f"{name}: tensor {layer}/kernel"
            raise refusal(what, "4 dimensions", f"shape {shape}", _OTHER)
        return shape

    found: dict[str, set[str]] = {stage: set() for stage in "2345"}
    for layer, _ in weights:
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


def _graph_variant(layers: _Layers, name: str) -> dict[str, Any]:
    """Return what the graph records; refuse one that `DenseDepth` cannot express."""

    def refuse(expected: str, got: object) -> UsageError:
        return refusal(name, expected, quoted(got), "use a file of a known DenseDepth variant")

    def at(layer: str) -> dict[str, Any]:
        if layer not in layers:
            raise refuse(f"a layer {layer} in model_config", "none")
        return layers[layer]

    def single_input(layer: str) -> str:
        names = _inbound(at(layer))
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
        resize, skip = [*_inbound(at(single_input(before))), "", ""][:2]
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


def _respelled(name: str) -> str:
    """Return a layer's name as current Keras spells it: ``conv1_conv`` for ``conv1/conv``."""
    return name.replace("/", "_")


@contextmanager
def _open(path: str | Path) -> Iterator[tuple[_Datasets, _Layers | None]]:
    """Yield a file's tensors, readable inside the ``with``, and its graph, None if weights only.

    Layers are named as in current Keras (see `_respelled`). `UsageError` if it is not such a file.
    """
    name = quoted(path)
    try:
        with open(path, "rb") as raw:
            signature = raw.read(len(SIGNATURE))
    except OSError as error:
        raise refusal(name, "a readable file", error.strerror, "check the path") from error
    if signature != SIGNATURE:
        found = "a zip archive (.keras?)" if signature[:2] == b"PK" else "other bytes"
        raise refusal(name, "an HDF5 file", found, "save the Keras model as .h5")
    try:
        with h5py.File(path, "r") as file:
            yield _weights(file, name), _layers(file, name)
    except (OSError, KeyError, RuntimeError) as error:
        text = f"a damaged one ({' '.join(str(error).split())})"
        raise refusal(name, "a whole Keras HDF5 file", text, "fetch or copy it again") from error


def _text(value: object) -> str:
    # Keras 2 under h5py 2 wrote fixed |S byte strings, later versions variable-length str.
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _names(group: h5py.Group, attribute: str) -> list[str] | None:
    """Return a list-of-names attribute, joining its parts (an attribute holds at most 64 kB)."""
    parts = takewhile(group.attrs.__contains__, (f"{attribute}{i}" for i in count()))
    keys = [attribute] if attribute in group.attrs else list(parts)
    names = [_text(value) for key in keys for value in np.atleast_1d(group.attrs[key])]
    return names if keys else None


def _weights(file: h5py.File, name: str) -> _Datasets:
    root = file.get("model_weights", file)
    layer_names = _names(root, "layer_names")
    if layer_names is not None:
        listed = _by_name(root, layer_names, name)
    elif isinstance(root.get("layers"), h5py.Group):
        root = root["layers"]
        listed = _by_number(root, name)
    else:
        what = "HDF5 without layer_names"
        raise refusal(name, "a Keras weights file", what, "save it with Keras as .h5")
    weights: _Datasets = {}
    for layer, role, dataset in listed:
        key = _respelled(layer), role
        tensor = quoted("/".join(key))
        if key in weights:
            raise refusal(name, "each tensor once", f"{tensor} twice", _SAVE)
        if dataset.dtype.kind != "f":
            raise refusal(f"{name}: tensor {tensor}", "floating point", dataset.dtype, _SAVE)
        weights[key] = dataset
    known = {dataset.name for dataset in weights.values()}

    def visit(_: str, member: object) -> None:
        if isinstance(member, h5py.Dataset) and member.name not in known:
            path = str(member.name)
            if not path.startswith("/optimizer_weights/"):
                raise refusal(name, "listed tensors only", f"unlisted {quoted(path)}", _SAVE)

    root.visititems(visit)
    return weights


def _by_name(
    root: h5py.Group, layer_names: list[str], name: str
) -> Iterator[tuple[str, str, h5py.Dataset]]:
    for layer in layer_names:
        # Not root.keys(): the group of "conv1/conv" is inside a group "conv1".
        group = _member(root, layer, h5py.Group, name)
        for weight in _names(group, "weight_names") or []:
            role = weight.rsplit("/", 1)[-1].removesuffix(":0")
            yield layer, role, _member(group, weight, h5py.Dataset, name)


def _by_number(root: h5py.Group, name: str) -> Iterator[tuple[str, str, h5py.Dataset]]:
    for key in root:
        group = _member(root, f"{key}/vars", h5py.Group, name)
        if len(group) == 0:
            continue
        if "name" not in group.attrs:
            what = f"{quoted(key)} without one (tf_keras writes .weights.h5 so)"
            raise refusal(name, "the layers' names", what, "save the whole model as .h5")
        if len(group) not in _ROLES:
            raise refusal(f"{name}: layer {quoted(key)}", "1, 2 or 4 tensors", len(group), _SAVE)
        for i, role in enumerate(_ROLES[len(group)]):
            yield _text(group.attrs["name"]), role, _member(group, str(i), h5py.Dataset, name)


def _member(group: h5py.Group, key: str, kind: type, name: str) -> Any:
    # An external link would read another file of the user's.
    if isinstance(group.get(key, getlink=True), h5py.ExternalLink):
        raise refusal(name, "data inside the file", f"a link at {quoted(key)}", "copy it in")
    member = group.get(key)
    if not isinstance(member, kind):
        raise refusal(name, f"tensors at {quoted(key)}", "none there", "fetch or copy it again")
    return member


def _layers(file: h5py.File, name: str) -> _Layers | None:
    if "model_config" not in file.attrs:
        return None
    try:
        layers = json.loads(_text(file.attrs["model_config"]))["config"]["layers"]
        return {_respelled(layer["config"]["name"]): layer for layer in layers}
    except (ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__} {quoted(error)}"
        raise refusal(name, "a functional Keras model in model_config", what, _SAVE) from error


def _inbound(layer: dict[str, Any]) -> list[str]:
    """Return the (respelled) names of the layers that feed a layer, in order."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict) and "keras_history" in node:  # Keras 3
            found.append(_respelled(node["keras_history"][0]))
        elif isinstance(node, list) and [type(v) for v in node[:2]] == [str, int] and node[2:]:
            found.append(_respelled(node[0]))  # Keras 2
        elif isinstance(node, dict | list):
            for value in node.values() if isinstance(node, dict) else node:
                walk(value)

    walk(layer.get("inbound_nodes", []))
    return found
