"""Plan: everything that decides a data set's bytes, and nothing else.

Two runs with equal plans make equal bytes, whatever their batch size, threads or backend. A run
goes on in a folder only when its plan is the plan that the folder was begun with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evafast import __version__
from evafast.errors import quoted

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.dataset.codec import Codec
    from evafast.sampling.recipe import Recipe

FORMAT = 1
"""Version of what lands on disk; raised when readers must know."""


def make_plan(
    bank: Bank,
    recipe: Recipe,
    codec: Codec,
    *,
    layout: str,
    mask: str,
    samples: int,
    samples_per_part: int,
    depth: dict | None,
    depth_encoding: str | None,
    assets: dict,
) -> dict:
    """Return the plan as plain values.

    Parameters
    ----------
    samples : int
        How many samples of the shuffled order are written.
    depth : dict or None
        `DepthEstimator.identity`, with what else decides its bytes; None without depth.
    depth_encoding : str or None
        None without depth.
    assets : dict
        Preprocessing settings.
    """
    hashes = bank.hashes()
    return {
        "evafast": __version__,
        "format": FORMAT,
        "seed": recipe.seed,
        "placements": recipe.placements,
        "samples": samples,
        "samples_in_recipe": len(recipe),
        "samples_per_part": samples_per_part,
        "canvas": bank.canvas,
        "preprocessing": assets,
        "layout": layout,
        "image_format": codec.image_format,
        "quality": codec.quality if codec.image_format == "jpeg" else None,
        "encoder": codec.encoder,
        "mask": mask,
        "depth": depth,
        "depth_encoding": depth_encoding if depth else None,
        "backgrounds": [
            {"name": name, "sha256": digest}
            for name, digest in zip(bank.background_names, hashes["backgrounds"], strict=True)
        ],
        "foregrounds": [
            {
                "name": bank.foreground_name(i),
                "mirrored": bank.is_mirrored(i),
                "width": int(bank.foreground_sizes[i, 1]),
                "height": int(bank.foreground_sizes[i, 0]),
                "sha256": digest,
            }
            for i, digest in enumerate(hashes["foregrounds"])
        ],
    }


def first_difference(there: Any, expected: Any, path: str = "") -> str | None:
    """Return where two plans differ first, as ``seed: there 0, expected 1``, or None."""
    for at, old, new in _differences(there, expected, path):
        return f"{at}: there {_shown(old)}, expected {_shown(new)}"
    return None


def _shown(value: Any) -> str:
    return quoted(value)[1:-1]  # names may hold anything, line breaks too


def _differences(there: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(there, dict) and isinstance(expected, dict):
        for key in [*expected, *(k for k in there if k not in expected)]:
            inner = f"{path}.{key}" if path else key
            yield from _differences(there.get(key), expected.get(key), inner)
    elif isinstance(there, list) and isinstance(expected, list):
        if len(there) != len(expected):
            yield f"number of {path}", len(there), len(expected)
        for i, (old, new) in enumerate(zip(there, expected, strict=False)):
            yield from _differences(old, new, f"{path}[{i}]")
    elif there != expected:
        yield path, there, expected
