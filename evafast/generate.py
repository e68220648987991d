"""``evafast generate``: make a dataset from two folders of images."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from evafast.system.cli import parse
from evafast.system.console import Console, run_command, set_up_logging
from evafast.system.threads import limit_openmp_spinning
from evafast.writing.config import GenerateConfig

PROG = "evafast generate"


def config_from(arguments: Sequence[str] | None = None) -> GenerateConfig:
    """Return the config that command line arguments describe."""
    config: GenerateConfig = parse(
        GenerateConfig, arguments, prog=PROG,
        description="Paste every foreground on every background at random positions and write "
        "composites, masks and depth maps. Without options, use the built-in pack.",
    )  # fmt: skip
    return config


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        config = config_from(arguments)
        limit_openmp_spinning()
        set_up_logging(quiet=config.quiet)
        from evafast.writing.job import generate

        generate(config, Console(quiet=config.quiet))

    return run_command(command, resumes=True)


if __name__ == "__main__":
    sys.exit(main())
