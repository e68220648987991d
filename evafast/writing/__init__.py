"""Making a dataset: `generate` runs what a `GenerateConfig` describes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evafast.writing.config import GenerateConfig
    from evafast.writing.job import GenerateResult, generate

__all__ = ["GenerateConfig", "GenerateResult", "generate"]


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'evafast.writing' has no attribute {name!r}")
    module = "config" if name == "GenerateConfig" else "job"
    return getattr(import_module(f"evafast.writing.{module}"), name)
