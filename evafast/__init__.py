"""evafast: composited training data (image, mask, depth), a function of recipe and index.

The names below are imported on first use, so ``import evafast`` itself is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = {
    "Bank": "evafast.assets.bank",
    "Recipe": "evafast.sampling.recipe",
    "Placements": "evafast.sampling.recipe",
    "Compositor": "evafast.compositing.compositor",
    "composite": "evafast.compositing.compositor",
    "DepthEstimator": "evafast.depth.estimator",
    "Pipeline": "evafast.pipeline",
    "Batch": "evafast.pipeline",
    "open_dataset": "evafast.dataset.reader",
    "EvafastError": "evafast.errors",
    "UsageError": "evafast.errors",
    "RunError": "evafast.errors",
}

__all__ = list(_MODULES)

if TYPE_CHECKING:
    from evafast.assets.bank import Bank as Bank
    from evafast.compositing.compositor import Compositor as Compositor
    from evafast.compositing.compositor import composite as composite
    from evafast.dataset.reader import open_dataset as open_dataset
    from evafast.depth.estimator import DepthEstimator as DepthEstimator
    from evafast.errors import EvafastError as EvafastError
    from evafast.errors import RunError as RunError
    from evafast.errors import UsageError as UsageError
    from evafast.pipeline import Batch as Batch
    from evafast.pipeline import Pipeline as Pipeline
    from evafast.sampling.recipe import Placements as Placements
    from evafast.sampling.recipe import Recipe as Recipe


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'evafast' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
