"""Batched alpha compositing and mask pasting, bit-exact with Pillow, on CPU and GPU."""

from __future__ import annotations

from evafast.compositing.compositor import Composite, Compositor, composite
from evafast.compositing.dispatch import BackendChoice, choose_backend

__all__ = ["BackendChoice", "Composite", "Compositor", "choose_backend", "composite"]
