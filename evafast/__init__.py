"""evafast: composited training data (image, mask, depth) as a pure function of recipe and index.

The names below load on first use, so ``import evafast`` itself stays fast: torch, Numba and CuPy
come in only with the parts that need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Bank": "evafast.assets.bank",
    "Recipe": "evafast.sampling.recipe",
    "Placements": "evafast.sampling.recipe",
    "Compositor": "evafast.compositing",
    "composite": "evafast.compositing",
    "DepthEstimator": "evafast.depth",
    "Pipeline": "evafast.pipeline",
    "Batch": "evafast.pipeline",
    "open_dataset": "evafast.dataset",
    "EvafastError": "evafast.errors",
    "UsageError": "evafast.errors",
    "RunError": "evafast.errors",
}

__all__ = [  # noqa: RUF022 - in the order of the flow
    "Bank",
    "Recipe",
    "Placements",
    "Compositor",
    "composite",
    "DepthEstimator",
    "Pipeline",
    "Batch",
    "open_dataset",
    "EvafastError",
    "UsageError",
    "RunError",
]

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.compositing import Compositor, composite
    from evafast.dataset import open_dataset
    from evafast.depth import DepthEstimator
    from evafast.errors import EvafastError, RunError, UsageError
    from evafast.pipeline import Batch, Pipeline
    from evafast.sampling.recipe import Placements, Recipe


def __getattr__(name: str) -> Any:
    """Load a public name from its module the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'evafast' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
