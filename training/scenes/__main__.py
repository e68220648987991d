"""``python -m training.scenes make OUT | verify [DIR] | sheet FILE``: the command of the pack.

``make`` renders the pack anew (some minutes), ``verify`` checks stored files against their sums,
``sheet`` draws the contact sheet that the README shows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evafast.builtin import pack_folders
from evafast.errors import EvafastError, UsageError
from training.scenes import pack


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 1 failed, 2 wrong usage)."""
    parser = argparse.ArgumentParser(prog="python -m training.scenes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="render the pack into a new folder")
    make.add_argument("out", type=Path, metavar="OUT")
    verify = commands.add_parser("verify", help="check the installed pack, or one in DIR")
    verify.add_argument("folder", type=Path, nargs="?", metavar="DIR")
    sheet = commands.add_parser("sheet", help="draw a contact sheet of the installed pack (JPEG)")
    sheet.add_argument("out", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    try:
        if args.command == "make":
            total = len(pack.items())
            for done, item in enumerate(pack.make(args.out), start=1):
                print(f"\r{done}/{total} {item.name:<40}", end="", flush=True)
            print(f"\n{total} pictures in {args.out}")
        elif args.command == "verify":
            if args.folder is not None:
                count = pack.verify(args.folder)
            else:
                with pack_folders() as (backgrounds, _):
                    count = pack.verify(backgrounds.parent)
            print(f"{count} files as recorded")
        else:
            from training.scenes.sheet import contact_sheet

            contact_sheet().save(args.out, "JPEG", quality=82, optimize=True)
    except EvafastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
