"""Weights and graph of a Keras HDF5 file, read with h5py alone.

Four layouts are read: a whole model (``/model_weights``, graph in the attribute
``model_config``), ``save_weights`` of Keras 1 and 2 (the same groups at the root), and Keras 3's
``.weights.h5`` (``/layers/NAME/vars/0..3``, Keras's own name in an attribute). Nothing is
unpickled: only arrays, text and JSON are read, and shapes are checked before any array is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from evafast.errors import UsageError, quoted

#: First bytes of every HDF5 file.
SIGNATURE = b"\x89HDF\r\n\x1a\n"

_ROLES = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}

Datasets = dict[tuple[str, str], h5py.Dataset]


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """Contents of an open file; layers are spelled as in current Keras (see `respelled`)."""

    weights: Datasets
    """By layer and role: kernel, bias, gamma, beta, moving_mean or moving_variance."""
    layers: dict[str, dict[str, Any]] | None
    """The graph's layers by name, None in a weights-only file."""


def respelled(name: str) -> str:
    """Return a layer's name as current Keras spells it: ``conv1_conv`` for ``conv1/conv``."""
    return name.replace("/", "_")


def refusal(name: str, expected: str, got: object, remedy: str = "save it again") -> UsageError:
    """Return the error for a file that does not fit."""
    return UsageError(f"{name}: expected {expected}, got {got}; {remedy}")


@contextmanager
def open_keras(path: str | Path) -> Iterator[KerasFile]:
    """Open a Keras HDF5 file or raise `UsageError`; datasets are readable inside the ``with``."""
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
            yield KerasFile(weights=_weights(file, name), layers=_layers(file, name))
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


def _weights(file: h5py.File, name: str) -> Datasets:
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
    weights: Datasets = {}
    for layer, role, dataset in listed:
        key = respelled(layer), role
        tensor = quoted("/".join(key))
        if key in weights:
            raise refusal(name, "each tensor once", f"{tensor} twice")
        if dataset.dtype.kind != "f":
            raise refusal(f"{name}: tensor {tensor}", "floating point", dataset.dtype)
        weights[key] = dataset
    known = {dataset.name for dataset in weights.values()}

    def visit(_: str, member: object) -> None:
        if isinstance(member, h5py.Dataset) and member.name not in known:
            path = str(member.name)
            if not path.startswith("/optimizer_weights/"):
                raise refusal(name, "listed tensors only", f"unlisted {quoted(path)}")

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
            raise refusal(f"{name}: layer {quoted(key)}", "1, 2 or 4 tensors", len(group))
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


def _layers(file: h5py.File, name: str) -> dict[str, dict[str, Any]] | None:
    if "model_config" not in file.attrs:
        return None
    try:
        layers = json.loads(_text(file.attrs["model_config"]))["config"]["layers"]
        return {respelled(layer["config"]["name"]): layer for layer in layers}
    except (ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__} {quoted(error)}"
        raise refusal(name, "a functional Keras model in model_config", what) from error


def inbound(layer: dict[str, Any]) -> list[str]:
    """Return the (respelled) names of the layers that feed a layer, in order."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict) and "keras_history" in node:  # Keras 3
            found.append(respelled(node["keras_history"][0]))
        elif isinstance(node, list) and [type(v) for v in node[:2]] == [str, int] and node[2:]:
            found.append(respelled(node[0]))  # Keras 2
        elif isinstance(node, dict | list):
            for value in node.values() if isinstance(node, dict) else node:
                walk(value)

    walk(layer.get("inbound_nodes", []))
    return found
