"""Batched alpha compositing and mask pasting, bit-exact with Pillow, on CPU and GPU."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evafast.compositing.compositor import Composite, Compositor, composite
    from evafast.compositing.dispatch import BackendChoice, choose_backend

_HOME = {
    "BackendChoice": "dispatch",
    "Composite": "compositor",
    "Compositor": "compositor",
    "choose_backend": "dispatch",
    "composite": "compositor",
}

__all__ = ["BackendChoice", "Composite", "Compositor", "choose_backend", "composite"]


def __getattr__(name: str) -> Any:
    """Load a name, and torch with it, when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'evafast.compositing' has no attribute {name!r}")
    return getattr(import_module(f"evafast.compositing.{_HOME[name]}"), name)
