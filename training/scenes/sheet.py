"""The contact sheet of the pack: rows of backgrounds, then rows of foregrounds."""

from __future__ import annotations

from PIL import Image

from evafast.builtin import pack_folders

_PAPER = (236, 233, 226)


def contact_sheet(
    columns: int = 10, cell: int = 112, background_rows: int = 4, foreground_rows: int = 3
) -> Image.Image:
    """Return the first backgrounds and foregrounds of the installed pack on one RGB page."""
    gap = 4
    pitch = cell + gap
    rows = background_rows + foreground_rows
    sheet = Image.new("RGB", (columns * pitch + gap, rows * pitch + gap), _PAPER)
    with pack_folders() as (backgrounds, foregrounds):
        shown = sorted(backgrounds.iterdir())[: columns * background_rows]
        cut = sorted(foregrounds.iterdir())[: columns * foreground_rows]
        for number, path in enumerate([*shown, *cut]):
            with Image.open(path) as image:
                image.thumbnail((cell, cell), Image.Resampling.LANCZOS)
                left = gap + number % columns * pitch + (cell - image.width) // 2
                top = gap + number // columns * pitch + (cell - image.height) // 2
                sheet.paste(image, (left, top), image if image.mode == "RGBA" else None)
    return sheet
