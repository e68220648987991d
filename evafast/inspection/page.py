"""The page: one HTML file, nothing to install and nothing to fetch, to browse samples."""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evafast.inspection.preview import Shown


def page(shown: list[Shown], title: str, facts: dict[str, str]) -> str:
    """Return a whole HTML page with every picture inside it.

    Parameters
    ----------
    shown : list of Shown
    title : str
    facts : dict of str to str
        What the heading tells of the data set.
    """
    samples = [
        {
            "name": s.name,
            "caption": s.caption,
            "pictures": {heading: _data_url(pixels) for heading, pixels in s.pictures.items()},
        }
        for s in shown
    ]
    template = (files("evafast.inspection") / "page.html").read_text(encoding="utf-8")
    told = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts.items())
    data = json.dumps(samples).replace("</", "<\\/")
    return (
        template.replace("{{title}}", html.escape(title))
        .replace("{{facts}}", told)
        .replace("{{samples}}", data)
    )


def _data_url(pixels: NDArray[np.uint8]) -> str:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88]
    )
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
