"""Batched alpha compositing of images and masks, bit-exact with Pillow, on CPU and GPU."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evafast.compositing.compositor import Composite, Compositor, composite
    from evafast.compositing.dispatch import BackendChoice, choose_backend

_MODULES = {
    "BackendChoice": "dispatch",
    "Composite": "compositor",
    "Compositor": "compositor",
    "choose_backend": "dispatch",
    "composite": "compositor",
}

__all__ = ["BackendChoice", "Composite", "Compositor", "choose_backend", "composite"]


def __getattr__(name: str) -> Any:
    """Import a name, and torch with it, on first access."""
    if name not in _MODULES:
        raise AttributeError(f"module 'evafast.compositing' has no attribute {name!r}")
    return getattr(import_module(f"evafast.compositing.{_MODULES[name]}"), name)
