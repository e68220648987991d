"""Depth of image batches: DenseDepth and Hugging Face models behind one estimator.

Names load on first use, so that ``import evafast.depth`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig, relative_depth
    from evafast.depth.densedepth.weights import load_weights, save_safetensors
    from evafast.depth.encoding import EncodedDepth, decode, encode
    from evafast.depth.estimator import DepthEstimator, DepthMaps, check_finite

_MODULES = {
    "estimator": ("DepthEstimator", "DepthMaps", "check_finite"),
    "encoding": ("EncodedDepth", "decode", "encode"),
    "densedepth.network": ("DenseDepth", "DenseDepthConfig", "relative_depth"),
    "densedepth.weights": ("load_weights", "save_safetensors"),
}

__all__ = [  # noqa: RUF022 - in order of use
    "DenseDepth", "DenseDepthConfig", "relative_depth", "load_weights", "save_safetensors",
    "DepthEstimator", "DepthMaps", "check_finite", "EncodedDepth", "encode", "decode",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"evafast.depth.{module}"), name)
    raise AttributeError(f"module 'evafast.depth' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
