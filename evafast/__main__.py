"""``evafast COMMAND``, or ``python -m evafast COMMAND``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from evafast import __version__

COMMANDS = {
    "generate": ("evafast.generate", "write a dataset"),
    "inspect": ("evafast.inspect", "statistics, previews, verification and repair"),
    "export": ("evafast.export", "write annotations in another format"),
    "depth": ("evafast.depth.__main__", "fetch and convert weights, predict, evaluate"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in COMMANDS:
        code: int = import_module(COMMANDS[words[0]][0]).main(words[1:])
        return code
    if words and words[0] == "--version":
        print(f"evafast {__version__}")
        return 0
    listing = "\n".join(f"  {name:10}{what}" for name, (_, what) in COMMANDS.items())
    usage = f"usage: evafast COMMAND ...\n\n{listing}\n\nrun evafast COMMAND --help for its options"
    if not words or words[0] in ("-h", "--help"):
        print(usage)
        return 0 if words else 2
    print(
        f"error: command: expected {', '.join(COMMANDS)}, got {words[0]!r}; see evafast --help",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
