"""The layouts of Keras files of DenseDepth, stated independently of the code under test."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Weights = dict[str, dict[str, np.ndarray]]
BN = ("gamma", "beta", "moving_mean", "moving_variance")


def layout(
    blocks: tuple[int, ...], growth: int = 32, stem: int = 64, width: int | None = None
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Layer -> role -> shape, in the order and spelling of Keras 2."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}

    def conv(name: str, k: int, before: int, after: int, bias: bool = False) -> None:
        shapes[name] = {"kernel": (k, k, before, after)} | ({"bias": (after,)} if bias else {})

    def bn(name: str, channels: int) -> None:
        shapes[name] = dict.fromkeys(BN, (channels,))

    conv("conv1/conv", 7, 3, stem)
    bn("conv1/bn", stem)
    channels, skips = stem, [stem, stem]
    for stage, layers in enumerate(blocks, 2):
        for i in range(1, layers + 1):
            bn(f"conv{stage}_block{i}_0_bn", channels)
            conv(f"conv{stage}_block{i}_1_conv", 1, channels, 4 * growth)
            bn(f"conv{stage}_block{i}_1_bn", 4 * growth)
            conv(f"conv{stage}_block{i}_2_conv", 3, 4 * growth, growth)
            channels += growth
        if stage < 5:
            bn(f"pool{stage}_bn", channels)
            conv(f"pool{stage}_conv", 1, channels, channels // 2)
            channels //= 2
            skips.append(channels)
    bn("bn", channels)
    width = width or channels
    conv("conv2", 1, channels, width, bias=True)
    for i in range(1, 5):
        conv(f"up{i}_convA", 3, width + skips[4 - i], width // 2, bias=True)
        conv(f"up{i}_convB", 3, width // 2, width // 2, bias=True)
        width //= 2
    conv("conv3", 3, width, 1, bias=True)
    return shapes


TINY = layout((1, 1, 1, 1), growth=4, stem=8, width=16)


def draw(shapes: dict[str, dict[str, tuple[int, ...]]], seed: int = 0) -> Weights:
    """Well-scaled random weights; some variances are near 1e-5, so that a wrong epsilon shows.

    Each layer draws from a generator of its own, uniform values only: the same on every machine.
    """
    weights: Weights = {}
    for layer, roles in shapes.items():
        key = zlib.crc32(layer.replace("/", "_").encode())
        rng = np.random.Generator(np.random.Philox(key=key + (seed << 32)))

        def spread(shape: tuple[int, ...], half: float, rng: Any = rng) -> np.ndarray:
            return (2 * rng.random(shape) - 1) * half

        if "gamma" in roles:
            shape = roles["gamma"]
            variance = 0.5 + rng.random(shape)
            tiny = rng.random(shape) < 0.1
            variance[tiny] = 0.8e-5 + 2e-5 * rng.random(int(tiny.sum()))
            gamma = 0.6 + 0.6 * rng.random(shape)
            gamma[tiny] *= np.sqrt(variance[tiny])
            arrays = (gamma, spread(shape, 0.3), spread(shape, 0.3), variance)
            weights[layer] = dict(zip(BN, arrays, strict=True))
        else:
            shape = roles["kernel"]
            weights[layer] = {"kernel": spread(shape, np.sqrt(6 / np.prod(shape[:-1])))}
            if "bias" in roles:
                weights[layer]["bias"] = spread(roles["bias"], 0.2)
        weights[layer] = {r: a.astype(np.float32) for r, a in weights[layer].items()}
    return weights


def images(n: int, size: tuple[int, int]) -> np.ndarray:
    """float32 (n, H, W, 3) in [0, 1]: multiples of 1/255."""
    rng = np.random.Generator(np.random.Philox(key=7))
    return np.floor(256 * rng.random((n, *size, 3))).astype(np.float32) / np.float32(255)


def graph(
    blocks: tuple[int, ...], *, new: bool, inner: bool, slope: float = 0.2,
    epsilon: float = 1.001e-5, final_relu: bool = True, half_pixel: bool = False,
) -> str:  # fmt: skip
    """The part of model_config that says which variant a file is."""
    layers: list[dict[str, Any]] = []

    def add(name: str, kind: str, *sources: str, **config: Any) -> str:
        spelled = name.replace("/", "_") if new else name
        if new:
            tensors = [
                {"class_name": "__keras_tensor__", "config": {"keras_history": [s, 0, 0]}}
                for s in (s.replace("/", "_") for s in sources)
            ]
            inbound: list[Any] = [{"args": [tensors], "kwargs": {}}] if sources else []
        else:
            inbound = [[[s, 0, 0, {}] for s in sources]] if sources else []
        layer = {"class_name": kind, "config": {"name": spelled, **config}, "name": spelled}
        layers.append(layer | {"inbound_nodes": inbound})
        return name

    slope_name = "negative_slope" if new else "alpha"
    linear = {"activation": "linear"}
    add("input_1", "InputLayer")
    # The encoder's inner edges carry nothing that the loader reads: only its BatchNorms do.
    add("conv1/bn", "BatchNormalization", "input_1", epsilon=epsilon)
    for name in ("conv1/relu", "pool1", "pool2_pool", "pool3_pool"):
        add(name, "Activation", "conv1/bn")
    x = add("bn", "BatchNormalization", "pool3_pool", epsilon=epsilon)
    if final_relu:
        x = add("relu", "Activation", x, activation="relu")
    x = add("conv2", "Conv2D", x, **linear)
    for i, skip in enumerate(("pool3_pool", "pool2_pool", "pool1", "conv1/relu"), 1):
        kind, config = ("UpSampling2D", {"interpolation": "bilinear"}) if half_pixel else (
            "BilinearUpSampling2D", {})  # fmt: skip
        x = add(f"up{i}_upsampling2d", kind, x, **config)
        x = add(f"up{i}_concat", "Concatenate", x, skip)
        x = add(f"up{i}_convA", "Conv2D", x, **linear)
        if inner:
            x = add(f"leaky_inner_{i}", "LeakyReLU", x, **{slope_name: slope})
        x = add(f"up{i}_convB", "Conv2D", x, **linear)
        x = add(f"leaky_{i}", "LeakyReLU", x, **{slope_name: slope})
    add("conv3", "Conv2D", x, **linear)
    name = "Functional" if new else "Model"
    return json.dumps({"class_name": name, "config": {"name": "model_1", "layers": layers}})


def write(
    path: Path, weights: Weights, *, style: str, config: str | None = None, parts: int = 1
) -> None:
    """Write weights as Keras would.

    Styles: ``old`` (Keras 2.2.4 under h5py 2: |S bytes, ``:0``, nested ``conv1/conv``), ``new``
    (Keras 3: str, no suffix, ``conv1_conv``), ``numbered`` (``.weights.h5``).
    ``config`` makes it a whole model; ``parts`` splits layer_names as Keras does beyond 64 kB.
    """
    with h5py.File(path, "w") as file:
        if style == "numbered":
            for i, (layer, arrays) in enumerate(weights.items()):
                group = file.create_group(f"layers/layer_{i}/vars")
                group.attrs["name"] = layer.replace("/", "_")
                for j, array in enumerate(arrays.values()):
                    group[str(j)] = array
            return
        root = file
        if config is not None:
            file.attrs["model_config"] = np.bytes_(config) if style == "old" else config
            root = file.create_group("model_weights")
            file.create_group("optimizer_weights")["Adam/iterations:0"] = np.int64(3)

        def listed(names: list[str]) -> Any:
            if style == "old":
                return np.array([n.encode() for n in names])
            return np.array(names, dtype=h5py.string_dtype()) if names else np.array([], "S1")

        def spelled(layer: str) -> str:
            return layer if style == "old" else layer.replace("/", "_")

        names = ["input_1", *map(spelled, weights)]
        if parts == 1:
            root.attrs["layer_names"] = listed(names)
        else:
            for i, part in enumerate(np.array_split(np.array(names), parts)):
                root.attrs[f"layer_names{i}"] = listed(list(map(str, part)))
        root.create_group("input_1").attrs["weight_names"] = listed([])
        for layer, arrays in weights.items():
            name = spelled(layer)
            group = root.create_group(name)
            tails = {role: f"{name}/{role}" + (":0" if style == "old" else "") for role in arrays}
            group.attrs["weight_names"] = listed(list(tails.values()))
            for role, array in arrays.items():
                group[tails[role]] = array
