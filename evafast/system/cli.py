"""Build command lines from dataclasses, which state options, defaults and help once."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any, get_args, get_origin

import tyro

from evafast.errors import UsageError

_FRAME = re.compile(r"[│╭╮╰╯]")
_RULE = re.compile(r"─+|-{8,}")
_registry = tyro.constructors.ConstructorRegistry()


@_registry.primitive_rule
def _width_by_height(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[tuple[int, int]] | None:
    """Read a pair of integers as ``40x50``."""
    if get_origin(info.type) is not tuple or get_args(info.type) != (int, int):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="WIDTHxHEIGHT",
        instance_from_str=lambda words: _size(words[0]),
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda size: [f"{size[0]}x{size[1]}"],
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]+)x([0-9]+)", text.lower())
    if not found:
        raise ValueError(f"expected WIDTHxHEIGHT such as 40x50, got {text!r}")
    return int(found[1]), int(found[2])


def parse(
    config: Any, arguments: Sequence[str] | None = None, *, prog: str, description: str
) -> Any:
    """Return the config that command line arguments describe, or raise a one-line `UsageError`.

    `config` is a dataclass whose docstring documents its fields, or a union of them (subcommands).
    Fields of nested dataclasses become options on the same level.
    """
    errors = io.StringIO()
    try:
        with redirect_stderr(errors):
            return tyro.cli(
                config, args=arguments, prog=prog, description=description, registry=_registry,
                config=(
                    tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes,
                    tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff,
                    tyro.conf.DisallowNone,
                ),
            )  # fmt: skip
    except SystemExit as stop:
        if not stop.code:
            raise
        raise _usage_error(stop, errors.getvalue(), prog) from None


def _usage_error(stop: SystemExit, printed: str, prog: str) -> UsageError:
    """Return the config's own error, or the first paragraph tyro printed below its title."""
    cause: BaseException | None = stop
    while cause is not None:
        if isinstance(cause, UsageError):
            return cause
        cause = cause.__cause__ or cause.__context__
    paragraphs = [" ".join(p.split()) for p in _RULE.split(_FRAME.sub(" ", printed))]
    text = [p for p in paragraphs if p][1].partition(" Got errors:")[0]
    return UsageError(f"{text.rstrip('.')}; see {prog} --help")
