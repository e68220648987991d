"""``preview``: a contact sheet to look at, and the pictures for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evafast.dataset.sample import BankNames
from evafast.depth.images import coloured
from evafast.errors import quoted

if TYPE_CHECKING:
    from evafast.dataset.reader import StoredDataset

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PAPER, _INK, _FAINT = (250, 249, 246), (32, 33, 36), (128, 128, 132)
_MARGIN, _GAP, _CAPTION = 28, 6, 34


@dataclass(frozen=True)
class Shown:
    """One sample as a person looks at it: RGB pictures by heading, and what is known of it."""

    name: str
    caption: str
    pictures: dict[str, NDArray[np.uint8]]


def chosen_samples(dataset: StoredDataset, count: int) -> list[Shown]:
    """Return the first samples written, a fair mix; each with all its pictures.

    Raises
    ------
    RunError
        When a file is missing or does not decode.
    """
    batch = dataset[: min(count, len(dataset))]
    image = batch.image.permute(0, 2, 3, 1).numpy()
    background = batch.background.permute(0, 2, 3, 1).numpy()
    manifest = dataset.manifest
    originals = [f["name"] for f in manifest["foregrounds"] if not f["mirrored"]]
    files = BankNames(tuple(b["name"] for b in manifest["backgrounds"]), tuple(originals))
    shown = []
    for i, name in enumerate(dataset.names.samples(batch.placements)):
        pictures = {
            "background": background[i],
            "composite": image[i],
            "mask": np.repeat(batch.mask[i].permute(1, 2, 0).numpy(), 3, axis=2),
        }
        if batch.depth is not None:
            depth = batch.depth[i, 0].numpy()
            nearness = depth if manifest["depth"]["kind"] == "inverse" else -depth
            pictures["depth"] = coloured(nearness)[..., ::-1]  # OpenCV draws in BGR
        p = batch.placements
        cutout, mirrored = files.foreground(int(p.foreground[i]))
        caption = (
            f"{quoted(cutout)[1:-1]}{' (mirrored)' if mirrored else ''} on "
            f"{quoted(files.backgrounds[p.background[i]])[1:-1]} at {p.left[i]}, {p.top[i]}"
        )
        shown.append(Shown(name, caption, pictures))
    return shown


def contact_sheet(shown: list[Shown], title: str, columns: int = 2) -> Image.Image:
    """Draw samples in columns: background, composite, mask and depth side by side, captioned."""
    headings = list(shown[0].pictures)
    height, width = shown[0].pictures["composite"].shape[:2]
    scale = max(1, 128 // width)
    width, height = width * scale, height * scale
    cell = len(headings) * (width + _GAP) - _GAP
    rows = -(-len(shown) // columns)
    top = _MARGIN + 64
    sheet = Image.new(
        "RGB",
        (2 * _MARGIN + columns * cell + (columns - 1) * _MARGIN,
         top + rows * (height + _CAPTION) + _MARGIN - 10),
        _PAPER,
    )  # fmt: skip
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(20), ImageFont.load_default(12)
    draw.text((_MARGIN, _MARGIN - 8), _fitting(draw, title, large, sheet.width - 2 * _MARGIN),
              _INK, large)  # fmt: skip
    for column in range(min(columns, len(shown))):
        left = _MARGIN + column * (cell + _MARGIN)
        for i, heading in enumerate(headings):
            draw.text((left + i * (width + _GAP), top - 18), heading, _FAINT, small)
    for number, sample in enumerate(shown):
        row, column = divmod(number, columns)
        left = _MARGIN + column * (cell + _MARGIN)
        y = top + row * (height + _CAPTION)
        for i, pixels in enumerate(sample.pictures.values()):
            picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (left + i * (width + _GAP), y))
        draw.text((left, y + height + 4), sample.name, _INK, small)
        caption = _fitting(draw, sample.caption, small, cell - 110)
        draw.text((left + 110, y + height + 4), caption, _FAINT, small)
    return sheet


def _fitting(draw: ImageDraw.ImageDraw, text: str, font: Font,
             width: float) -> str:  # fmt: skip
    """Return the text, cut with dots where it is wider than there is room."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text + "..."
