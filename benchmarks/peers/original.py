"""The original's way, restated: Pillow paste, JPEG by Pillow, a zip, one thread.

The baseline of whole runs. It saves the mask as JPEG too, as the original did, which is less work
than the lossless PNG that evafast writes.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image

from evafast import Bank
from evafast.sampling.recipe import Placements


class Original:
    """Writes samples one by one.

    Parameters
    ----------
    bank : Bank
    quality : int
        Of JPEG; the same as ours, so that encoding costs compare.
    """

    def __init__(self, bank: Bank, quality: int = 90) -> None:
        self._backgrounds = [Image.fromarray(b) for b in bank.backgrounds]
        self._foregrounds = [
            Image.fromarray(bank.foreground(i)) for i in range(bank.foreground_count)
        ]
        self._quality = quality

    def write(self, placements: Placements, folder: Path) -> None:
        """Paste, encode and zip these samples."""
        rows = zip(
            placements.index.tolist(), placements.background.tolist(),
            placements.foreground.tolist(), placements.left.tolist(), placements.top.tolist(),
            strict=True,
        )  # fmt: skip
        with (
            zipfile.ZipFile(folder / "fg_bg.zip", "w") as images,
            zipfile.ZipFile(folder / "fg_bg_mask.zip", "w") as masks,
        ):
            for index, background, foreground, left, top in rows:
                cutout = self._foregrounds[foreground]
                image = self._backgrounds[background].copy()
                image.paste(cutout, (left, top), cutout)
                mask = Image.new("L", image.size)
                mask.paste(cutout.getchannel("A"), (left, top))
                images.writestr(f"{index:06d}.jpg", self._jpeg(image))
                masks.writestr(f"{index:06d}.jpg", self._jpeg(mask))

    def _jpeg(self, image: Image.Image) -> bytes:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=self._quality)
        return stream.getvalue()
