"""Small made-up pictures for every test; nothing outside the repository is needed."""

from __future__ import annotations

import pytest
from pictures import cutout, photograph
from PIL import Image


@pytest.fixture(scope="session")
def bank():
    """A bank of 3 backgrounds at 64 px and 4 cut-outs of odd sizes, with their mirrors."""
    from evafast import Bank

    sizes = [(1, 1), (5, 23), (64, 64), (33, 17)]
    return Bank.from_arrays(
        [photograph(64, i) for i in range(3)],
        [cutout(w, h, 10 + i) for i, (w, h) in enumerate(sizes)],
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Two folders of picture files: 3 backgrounds, 2 cut-outs."""
    root = tmp_path_factory.mktemp("pictures")
    for name in ("bg", "fg"):
        (root / name).mkdir()
    for i, suffix in enumerate(("jpg", "png", "png")):
        Image.fromarray(photograph(80 + 9 * i, i)).save(root / "bg" / f"photo{i + 9}.{suffix}")
    for i, size in enumerate([(70, 90), (200, 120)]):
        Image.fromarray(cutout(*size, 20 + i)).save(root / "fg" / f"thing {i}.png")
    return root / "bg", root / "fg"
