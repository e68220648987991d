"""Errors that a user can act on, each one line: name, expected, got, what to do."""

from __future__ import annotations

from collections.abc import Collection


class EvafastError(Exception):
    """Base class of every error that evafast raises on purpose; its message is one line."""


class UsageError(EvafastError, ValueError):
    """Wrong usage or unusable input. Exit code 2."""


class RunError(EvafastError, RuntimeError):
    """A failure while running (disk full, device lost, NaN depth). Exit code 1."""


def quoted(name: object) -> str:
    """Return a file name or other text in quotes, safe to print on one line.

    Newlines, control characters and undecodable bytes (surrogates) are escaped.
    """
    return "'" + "".join(c if c.isprintable() else _escape(c) for c in str(name)) + "'"


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def refusal(name: str, expected: object, got: object, remedy: str) -> UsageError:
    """Return a `UsageError`: what was expected, what was found and what to do, in one line."""
    return UsageError(f"{name}: expected {expected}, got {got}; {remedy}")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise `UsageError` if `value` is not one of the choices."""
    if value not in choices:
        raise refusal(name, ", ".join(choices), repr(value), "choose one")


def check_range(name: str, number: int, least: int, most: int | None = None) -> None:
    """Raise `UsageError` if a number is below `least` or above `most`."""
    if most is None and number < least:
        raise refusal(name, f"at least {least}", number, "raise it")
    if most is not None and not least <= number <= most:
        raise refusal(name, f"{least} to {most}", number, "choose a number in range")


def check_seed(seed: int) -> None:
    """Raise `UsageError` if a seed does not fit in 64 bits."""
    if not 0 <= seed < 2**64:
        raise refusal("seed", "0 to 2**64-1", seed, "choose a seed in range")
