"""The original's way, restated: Pillow paste, JPEG by Pillow, a zip, one thread.

The baseline of whole runs. It saves the mask as JPEG too, as the original did, which is less work
than the lossless PNG that evafast writes.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image

from benchmarks.peers.compositing import Pillow
from evafast import Bank
from evafast.sampling.recipe import Placements


class Original(Pillow):
    """Writes samples one by one.

    Parameters
    ----------
    bank : Bank
    placements : Placements
    folder : Path
        Of ``fg_bg.zip`` and ``fg_bg_mask.zip``.
    quality : int
        Of JPEG; the same as ours, so that encoding costs compare.
    """

    def __init__(
        self, bank: Bank, placements: Placements, folder: Path, quality: int = 90
    ) -> None:  # fmt: skip
        super().__init__(bank, placements)
        self._folder, self._quality = folder, quality

    def run(self) -> None:
        """Paste, encode and zip the samples."""
        with (
            zipfile.ZipFile(self._folder / "fg_bg.zip", "w") as images,
            zipfile.ZipFile(self._folder / "fg_bg_mask.zip", "w") as masks,
        ):
            for number, made in enumerate(self.samples()):
                for archive, image in zip((images, masks), made, strict=True):
                    archive.writestr(f"{number:06d}.jpg", self._jpeg(image))

    def _jpeg(self, image: Image.Image) -> bytes:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=self._quality)
        return stream.getvalue()
