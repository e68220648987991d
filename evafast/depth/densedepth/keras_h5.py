"""Weights and graph of a Keras HDF5 file, read with h5py alone.

Four layouts are understood: a whole model (``/model_weights``, graph in the attribute
``model_config``), ``save_weights`` of Keras 1 and 2 (the same groups at the root), and Keras 3's
``.weights.h5`` (``/layers/NAME/vars/0..3``, Keras's own name in an attribute). Nothing is
unpickled: only arrays, text and JSON are read, and array shapes are known before any array is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """What an open file holds.

    Parameters
    ----------
    weights : dict of (layer, role) to h5py.Dataset
        Layers spelled as by current Keras (``conv1_conv`` for ``conv1/conv``); roles are kernel,
        bias, gamma, beta, moving_mean, moving_variance.
    layers : dict of str to dict or None
        The graph's layers by (respelled) name, None in a weights-only file.
    """

    weights: dict[tuple[str, str], h5py.Dataset]
    layers: dict[str, dict[str, Any]] | None


def respelled(name: str) -> str:
    """Return a layer's name as current Keras spells it."""
    return name.replace("/", "_")


@contextmanager
def open_keras(path: str | Path) -> Iterator[KerasFile]:
    """Open a Keras HDF5 file; the datasets stay readable inside the ``with``.

    Raises
    ------
    UsageError
        If the file is not HDF5, is truncated, or is not laid out as Keras lays out.
    """
    name = quoted(path)
    try:
        with open(path, "rb") as raw:
            signature = raw.read(len(SIGNATURE))
    except OSError as error:
        raise UsageError(
            f"{name}: expected a readable file, got {error.strerror}; check the path"
        ) from error
    if signature != SIGNATURE:
        found = "a zip archive (.keras?)" if signature[:2] == b"PK" else "other bytes"
        raise UsageError(f"{name}: expected an HDF5 file, got {found}; save the Keras model as .h5")
    try:
        with h5py.File(path, "r") as file:
            yield KerasFile(weights=_weights(file, name), layers=_layers(file, name))
    except (OSError, KeyError, RuntimeError) as error:
        text = " ".join(str(error).split())
        raise UsageError(
            f"{name}: expected a whole Keras HDF5 file, got a damaged one ({text}); fetch or copy "
            f"it again"
        ) from error


def _text(value: object) -> str:
    # Keras 2 under h5py 2 wrote fixed |S byte strings, later ones variable-length str.
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _names(group: h5py.Group, attribute: str) -> list[str] | None:
    """Return a list-of-names attribute, or its pieces (an attribute holds at most 64 kB) joined."""
    if attribute in group.attrs:
        return [_text(value) for value in np.atleast_1d(group.attrs[attribute])]
    names: list[str] = []
    piece = 0
    while f"{attribute}{piece}" in group.attrs:
        names += [_text(value) for value in np.atleast_1d(group.attrs[f"{attribute}{piece}"])]
        piece += 1
    return names if piece else None


def _weights(file: h5py.File, name: str) -> dict[tuple[str, str], h5py.Dataset]:
    root = file.get("model_weights", file)
    layer_names = _names(root, "layer_names")
    if layer_names is not None:
        weights = _named_weights(root, layer_names, name)
    elif isinstance(root.get("layers"), h5py.Group):
        root = root["layers"]
        weights = _numbered_weights(root, name)
    else:
        raise UsageError(
            f"{name}: expected a Keras weights file, got HDF5 without layer_names; save it with "
            f"Keras as .h5"
        )
    _refuse_unlisted(root, weights, name)
    return weights


def _named_weights(
    root: h5py.Group, layer_names: list[str], name: str
) -> dict[tuple[str, str], h5py.Dataset]:
    weights: dict[tuple[str, str], h5py.Dataset] = {}
    for layer in layer_names:
        # Not root.keys(): the group of "conv1/conv" lies inside a group "conv1".
        group = _member(root, layer, h5py.Group, name)
        for weight in _names(group, "weight_names") or []:
            role = weight.rsplit("/", 1)[-1].removesuffix(":0")
            _add(
                weights, (respelled(layer), role), _member(group, weight, h5py.Dataset, name), name
            )
    return weights


def _numbered_weights(layers: h5py.Group, name: str) -> dict[tuple[str, str], h5py.Dataset]:
    weights: dict[tuple[str, str], h5py.Dataset] = {}
    for key in layers:
        group = _member(layers, f"{key}/vars", h5py.Group, name)
        if not len(group):
            continue
        if "name" not in group.attrs:
            raise UsageError(
                f"{name}: expected the layers' names, got {quoted(key)} without one (tf_keras writes "
                ".weights.h5 so); save the whole model as .h5"
            )
        roles = _ROLES.get(len(group))
        if roles is None:
            raise UsageError(
                f"{name}: layer {quoted(key)}: expected 1, 2 or 4 tensors, got {len(group)}; "
                "the file is of another network"
            )
        layer = respelled(_text(group.attrs["name"]))
        for i, role in enumerate(roles):
            _add(weights, (layer, role), _member(group, str(i), h5py.Dataset, name), name)
    return weights


def _member(group: h5py.Group, key: str, kind: type, name: str) -> Any:
    # An external link would read another file of the user's.
    if isinstance(group.get(key, getlink=True), h5py.ExternalLink):
        raise UsageError(
            f"{name}: expected data inside the file, got a link at {quoted(key)}; copy it in"
        )
    member = group.get(key)
    if not isinstance(member, kind):
        raise UsageError(
            f"{name}: expected tensors at {quoted(key)}, got none there; the file is damaged, fetch "
            f"it again"
        )
    return member


def _add(
    weights: dict[tuple[str, str], h5py.Dataset],
    key: tuple[str, str],
    dataset: h5py.Dataset,
    name: str,
) -> None:
    if key in weights:
        raise UsageError(
            f"{name}: expected each tensor once, got {quoted('/'.join(key))} twice; save it again"
        )
    if dataset.dtype.kind != "f":
        raise UsageError(
            f"{name}: tensor {quoted('/'.join(key))}: expected floating point, got {dataset.dtype}; "
            f"save it again"
        )
    weights[key] = dataset


def _refuse_unlisted(
    root: h5py.Group, weights: dict[tuple[str, str], h5py.Dataset], name: str
) -> None:
    listed = {dataset.name for dataset in weights.values()}

    def visit(_: str, member: object) -> None:
        if isinstance(member, h5py.Dataset) and member.name not in listed:
            path = str(member.name)
            if not path.startswith("/optimizer_weights/"):
                raise UsageError(
                    f"{name}: expected listed tensors only, got {quoted(path)} left over; save it "
                    f"again"
                )

    root.visititems(visit)


def _layers(file: h5py.File, name: str) -> dict[str, dict[str, Any]] | None:
    if "model_config" not in file.attrs:
        return None
    try:
        layers = json.loads(_text(file.attrs["model_config"]))["config"]["layers"]
        return {respelled(layer["config"]["name"]): layer for layer in layers}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{name}: expected a functional Keras model in model_config, got {type(error).__name__} "
            f"{quoted(error)}; save the model again"
        ) from error


def inbound(layer: dict[str, Any]) -> list[str]:
    """Return the (respelled) names of the layers that feed a layer, in order."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "keras_history" in node:  # Keras 3
                found.append(respelled(node["keras_history"][0]))
            else:
                for value in node.values():
                    walk(value)
        elif isinstance(node, list):
            if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):  # Keras 2
                found.append(respelled(node[0]))
            else:
                for value in node:
                    walk(value)

    walk(layer.get("inbound_nodes", []))
    return found
