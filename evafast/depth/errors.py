"""The error for input that does not fit."""

from __future__ import annotations

from evafast.errors import UsageError


def refusal(name: str, expected: object, got: object, remedy: str) -> UsageError:
    """Return a one-line error: what was expected, what was found, and what to do."""
    return UsageError(f"{name}: expected {expected}, got {got}; {remedy}")
