"""DenseDepth built with Keras itself: what the loader and the network are compared with."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras_layout
import numpy as np

SKIPS = ("conv1/relu", "pool1", "pool2_pool", "pool3_pool", "relu")


def _interpolation_matrix(n: int) -> np.ndarray:
    """(2n, n) float32: bilinear x2 with corners aligned, from its definition."""
    where = np.arange(2 * n) * (n - 1) / (2 * n - 1)
    low = np.minimum(where.astype(int), max(n - 2, 0))
    matrix = np.zeros((2 * n, n), np.float64)
    matrix[np.arange(2 * n), low] += 1 - (where - low)
    matrix[np.arange(2 * n), np.minimum(low + 1, n - 1)] += where - low
    return matrix.astype(np.float32)


def _aligned_layer(keras: ModuleType) -> type:
    """A custom BilinearUpSampling2D layer: corners aligned, and nothing of that recorded."""

    class BilinearUpSampling2D(keras.layers.Layer):  # type: ignore[name-defined,misc]
        def call(self, x: Any) -> Any:
            _, h, w, _ = x.shape
            if keras.__name__ == "tf_keras":
                import tensorflow as tf

                return tf.compat.v1.image.resize_bilinear(x, (2 * h, 2 * w), align_corners=True)
            rows, columns = _interpolation_matrix(h), _interpolation_matrix(w)
            x = keras.ops.einsum("oh,nhwc->nowc", keras.ops.convert_to_tensor(rows), x)
            return keras.ops.einsum("pw,nowc->nopc", keras.ops.convert_to_tensor(columns), x)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape[0], 2 * shape[1], 2 * shape[2], shape[3]

    return BilinearUpSampling2D


def build(
    keras: ModuleType,
    *,
    blocks: tuple[int, ...],
    size: tuple[int, int],
    inner_activation: bool,
    align_corners: bool,
    decoder_width: int | None = None,
) -> Any:
    """Return the Keras model with the authors' layer names."""
    if keras.__name__ == "tf_keras":
        from tf_keras.src.applications.densenet import DenseNet
    else:
        from keras.src.applications.densenet import DenseNet

    layers = keras.layers
    base = DenseNet(list(blocks), include_top=False, weights=None, input_shape=(*size, 3))
    spelled = {layer.name.replace("/", "_"): layer for layer in base.layers}
    width = decoder_width or int(base.layers[-1].output.shape[-1])

    def leaky() -> Any:
        return layers.LeakyReLU(0.2)

    aligned = _aligned_layer(keras)
    x = layers.Conv2D(width, 1, padding="same", name="conv2")(base.layers[-1].output)
    for i, skip in enumerate(("pool3_pool", "pool2_pool", "pool1", "conv1_relu"), 1):
        name = f"up{i}"
        up = (
            aligned(name=f"{name}_upsampling2d")
            if align_corners
            else layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_upsampling2d")
        )
        x = layers.Concatenate(name=f"{name}_concat")([up(x), spelled[skip].output])
        x = layers.Conv2D(width >> i, 3, padding="same", name=f"{name}_convA")(x)
        if inner_activation:
            x = leaky()(x)
        x = leaky()(layers.Conv2D(width >> i, 3, padding="same", name=f"{name}_convB")(x))
    x = layers.Conv2D(1, 3, padding="same", name="conv3")(x)
    return keras.Model(base.inputs, x)


def fill(model: Any, weights: keras_layout.Weights) -> None:
    """Set every weight of the Keras model; the layers must be exactly those of ``weights``."""
    left = {name.replace("/", "_"): arrays for name, arrays in weights.items()}
    for layer in model.layers:
        if layer.get_weights():
            layer.set_weights(list(left.pop(layer.name.replace("/", "_")).values()))
    assert not left


def stages(keras: ModuleType, model: Any, images: np.ndarray) -> list[np.ndarray]:
    """Return the five encoder stages and the output as NHWC arrays."""
    spelled = {layer.name.replace("/", "_"): layer for layer in model.layers}
    outputs = [spelled[name.replace("/", "_")].output for name in SKIPS] + [model.output]
    results = keras.Model(model.inputs, outputs).predict(images, verbose=0)
    return [np.asarray(r) for r in results]
