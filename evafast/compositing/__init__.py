"""Batched alpha compositing of images and masks, bit-exact with Pillow, on CPU and GPU."""

from evafast.compositing.compositor import Composite, Compositor, composite
from evafast.compositing.dispatch import BackendChoice, choose_backend

__all__ = ["BackendChoice", "Composite", "Compositor", "choose_backend", "composite"]
