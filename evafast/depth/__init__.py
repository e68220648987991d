"""Depth of a batch of images: DenseDepth and Hugging Face models behind one estimator.

The names below load on first use, so that ``import evafast.depth`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "DenseDepth": "evafast.depth.densedepth.network",
    "DenseDepthConfig": "evafast.depth.densedepth.network",
    "relative_depth": "evafast.depth.densedepth.network",
    "DepthEstimator": "evafast.depth.estimator",
    "DepthMaps": "evafast.depth.estimator",
    "check_finite": "evafast.depth.estimator",
    "EncodedDepth": "evafast.depth.encoding",
    "encode": "evafast.depth.encoding",
    "decode": "evafast.depth.encoding",
    "load_weights": "evafast.depth.densedepth.weights",
    "save_safetensors": "evafast.depth.densedepth.weights",
}

__all__ = [  # noqa: RUF022 - in the order of the flow
    "DenseDepth",
    "DenseDepthConfig",
    "relative_depth",
    "load_weights",
    "save_safetensors",
    "DepthEstimator",
    "DepthMaps",
    "check_finite",
    "EncodedDepth",
    "encode",
    "decode",
]

if TYPE_CHECKING:
    from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig, relative_depth
    from evafast.depth.densedepth.weights import load_weights, save_safetensors
    from evafast.depth.encoding import EncodedDepth, decode, encode
    from evafast.depth.estimator import DepthEstimator, DepthMaps, check_finite


def __getattr__(name: str) -> Any:
    """Load a public name from its module the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'evafast.depth' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
