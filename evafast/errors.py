"""Errors that a user can act on, each one line: name, expected, got, what to do."""

from __future__ import annotations


class EvafastError(Exception):
    """Base of every error that evafast raises on purpose; its text is one line."""


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
