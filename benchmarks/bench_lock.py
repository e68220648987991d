"""What of encoding a sample holds the GIL: why encoders are threads and not processes.

One thread encodes and packs the same slices twice over: for real, and with encoders that return
ready bytes, so that only names, records, tar headers and bookkeeping are left. The second rate is
about as many samples a second as one process can ever encode, on any number of cores.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.inputs import described, first_samples
from benchmarks.race import Contender, Race
from evafast import Compositor
from evafast.dataset.codec import Codec
from evafast.dataset.formats.webdataset import WebDatasetLayout
from evafast.dataset.naming import Names
from evafast.dataset.sample import BankNames, HostSlice, Part, encode_slice
from evafast.dataset.store import LocalStore
from evafast.sampling.recipe import Recipe

SLICE = 64


class ReadyCodec(Codec):
    """Encoders that take no time."""

    def encode_images(self, images) -> list[bytes]:
        """Return as many bytes as composites have as JPEG."""
        return [bytes(18_000) for _ in images]

    def encode_masks(self, masks) -> list[bytes]:
        """Return as many bytes as mattes have as PNG."""
        return [bytes(2_800) for _ in masks]


def test_lock(benchmark, bank, pictures, scale, keep_race):
    count = scale(1024, 64)
    placements = first_samples(bank, count)
    made = Compositor(bank, backend="numba", device="cpu")(placements)
    images, masks = made.image.numpy(), made.mask.numpy()
    names = Names.of(Recipe.for_bank(bank))
    files = BankNames(bank.background_names, bank.foreground_names)
    layout = WebDatasetLayout(LocalStore(Path("nowhere")), "jpg")

    def encode(codec: Codec) -> None:
        for start in range(0, count, SLICE):
            rows = slice(start, start + SLICE)
            piece = HostSlice(placements=placements[rows], image=images[rows], mask=masks[rows])
            layout.pack(Part(0, 0, count), encode_slice(piece, codec, names, files))

    race = Race([
        Contender("one thread, all of it", "ours", lambda: encode(Codec()), count),
        Contender("one thread, encoders left out", "limit", lambda: encode(ReadyCodec()), count,
                  note="nearly all of it under the GIL; pixel sums are in it and are not"),
    ])  # fmt: skip
    race.run(benchmark, scale(11, 2))
    keep_race(
        "lock", race, title="What holds the GIL while samples are encoded", unit="samples/s",
        parameters={**described(pictures), "samples": count, "threads": 1},
        ratios=[race.ratio("one thread, encoders left out", "one thread, all of it")],
    )  # fmt: skip
