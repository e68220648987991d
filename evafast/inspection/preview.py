"""``preview``: a contact sheet (PNG) and a page for browsing samples (one HTML file)."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evafast.dataset.codec import Codec
from evafast.dataset.reader import StoredDataset, open_dataset
from evafast.depth.images import colorize_depth
from evafast.errors import UsageError, quoted

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_BACKGROUND, _TEXT, _FAINT = (250, 249, 246), (32, 33, 36), (128, 128, 132)
_MARGIN, _GAP, _CAPTION = 28, 6, 34


class Shown(NamedTuple):
    """One sample for display: RGB images by heading, and a caption."""

    name: str
    caption: str
    images: dict[str, NDArray[np.uint8]]


def write_preview(path: str, out: Path | None, *, sheet: int, page: int) -> tuple[Path, Path]:
    """Draw a contact sheet of `sheet` samples and a page of `page` samples; return their paths.

    `out` is their prefix, ``PATH-preview`` by default. Raise `UsageError` if there is no dataset,
    or if either file exists or cannot be written.
    """
    dataset = open_dataset(path)
    name = path.rstrip("/").rpartition("/")[2]
    prefix = out or Path(f"{name if '://' in path else path.rstrip('/')}-preview")
    image_file, page_file = Path(f"{prefix}.png"), Path(f"{prefix}.html")
    for file in (image_file, page_file):
        if file.exists():
            raise UsageError(f"out: {quoted(file)} exists already; move it or give --out PREFIX")
    plan = dataset.plan
    samples, backgrounds = f"{len(dataset):,}", str(len(plan.backgrounds))
    foregrounds = f"{len(plan.foregrounds)} (mirrors included)"
    title = (
        f"{name}: {samples} samples of {backgrounds} backgrounds and {len(plan.foregrounds)} "
        "foregrounds (mirrors included)"
    )
    properties = {
        "samples": samples, "backgrounds": backgrounds, "foregrounds": foregrounds,
        "canvas": f"{plan.canvas} px", "mask": plan.mask,
        "depth": plan.depth.model if plan.depth else "none", "seed": str(plan.seed),
    }  # fmt: skip
    shown = first_samples(dataset, max(sheet, page))
    try:
        contact_sheet(shown[:sheet], title).save(image_file)
        page_file.write_text(html_page(shown[:page], name, properties), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"out: cannot write {quoted(error.filename or prefix)}: {error.strerror}; give "
            "another --out PREFIX"
        ) from None
    return image_file, page_file


def first_samples(dataset: StoredDataset, count: int) -> list[Shown]:
    """Return the first samples written, a fair mix, each with all its images."""
    batch = dataset[: min(count, len(dataset))]
    mask = batch.mask.expand(-1, 3, -1, -1)
    rgb = {"background": batch.background, "composite": batch.image, "mask": mask}
    pixels = {key: np.ascontiguousarray(t.permute(0, 2, 3, 1).numpy()) for key, t in rgb.items()}
    plan, p = dataset.plan, batch.placements
    shown = []
    for i, name in enumerate(dataset.names.samples(p)):
        images = {heading: several[i] for heading, several in pixels.items()}
        if batch.depth is not None and plan.depth is not None:
            images["depth"] = colorize_depth(batch.depth[i, 0].numpy(), plan.depth.kind)
        foreground = plan.foregrounds[p.foreground[i]]
        caption = (
            f"{quoted(foreground.name)[1:-1]}{' (mirrored)' if foreground.mirrored else ''} on "
            f"{quoted(plan.backgrounds[p.background[i]].name)[1:-1]} at {p.left[i]}, {p.top[i]}"
        )
        shown.append(Shown(name, caption, images))
    return shown


def contact_sheet(shown: Sequence[Shown], title: str, columns: int = 2) -> Image.Image:
    """Draw samples in columns: background, composite, mask and depth side by side, captioned."""
    height, width = shown[0].images["composite"].shape[:2]
    scale = max(1, 128 // width)
    width, height = width * scale, height * scale
    cell = len(shown[0].images) * (width + _GAP) - _GAP
    rows = -(-len(shown) // columns)
    top = _MARGIN + 64
    sheet = Image.new(
        "RGB",
        (2 * _MARGIN + columns * cell + (columns - 1) * _MARGIN,
         top + rows * (height + _CAPTION) + _MARGIN - 10),
        _BACKGROUND,
    )  # fmt: skip
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(20), ImageFont.load_default(12)
    title = _fitting(draw, title, large, sheet.width - 2 * _MARGIN)
    draw.text((_MARGIN, _MARGIN - 8), title, _TEXT, large)
    for number, sample in enumerate(shown):
        row, column = divmod(number, columns)
        left = _MARGIN + column * (cell + _MARGIN)
        y = top + row * (height + _CAPTION)
        for i, (heading, pixels) in enumerate(sample.images.items()):
            x = left + i * (width + _GAP)
            image = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(image, (x, y))
            if row == 0:
                draw.text((x, top - 18), heading, _FAINT, small)
        draw.text((left, y + height + 4), sample.name, _TEXT, small)
        caption = _fitting(draw, sample.caption, small, cell - 110)
        draw.text((left + 110, y + height + 4), caption, _FAINT, small)
    return sheet


def _fitting(draw: ImageDraw.ImageDraw, text: str, font: Font, width: float) -> str:
    """Return the text, shortened if it is wider than `width` pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text + "..."


def html_page(shown: Sequence[Shown], title: str, properties: dict[str, str]) -> str:
    """Return an HTML page with all images embedded and the dataset's properties at the top."""
    samples = []
    for s in shown:
        urls = {heading: _data_url(pixels) for heading, pixels in s.images.items()}
        samples.append({"name": s.name, "caption": s.caption, "pictures": urls})
    template = (files("evafast.inspection") / "page.html").read_text(encoding="utf-8")
    listed = "".join(
        f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in properties.items()
    )
    data = json.dumps(samples).replace("</", "<\\/")
    page = template.replace("{{title}}", html.escape(title)).replace("{{facts}}", listed)
    return page.replace("{{samples}}", data)


def _data_url(pixels: NDArray[np.uint8]) -> str:
    (data,) = Codec(quality=88).encode_images(pixels[None])
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
