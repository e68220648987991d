"""Random materials: glaze, wood, metal, cloth, leaves, coats."""

from __future__ import annotations

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv

_SHINY = [
    tex.PLAIN,
    tex.BANDS,
    tex.SWIRL,
    tex.DOTS,
    tex.MARBLE,
    tex.SPECKLES,
    tex.PLAID,
    tex.STRIPES,
]


def glaze(b: Builder, scale: float = 0.12) -> int:
    """Pick a colourful glazed or painted material."""
    hue = b.uniform(0, 1)
    c1 = hsv(hue, b.uniform(0.45, 0.9), b.uniform(0.55, 0.95))
    c2 = b.pick(
        [
            hsv(hue + 0.5, 0.5, 0.9),
            hsv(hue + 0.1, 0.3, 0.95),
            (0.85, 0.82, 0.75),
            hsv(hue, 0.8, 0.3),
        ]
    )
    return b.mat(
        c1,
        c2,
        b.pick([(0.9, 0.88, 0.8), (0.05, 0.05, 0.07), hsv(hue + 0.33, 0.6, 0.8)]),
        kind=b.pick(_SHINY),
        scale=scale * b.uniform(0.7, 1.6),
        spec=0.7,
        shine=b.uniform(30, 120),
        mirror=0.04,
        extra=b.many(3, 9),
    )


def timber(b: Builder, scale: float = 0.25) -> int:
    """Pick a wood."""
    hue, value = b.uniform(0.05, 0.10), b.uniform(0.35, 0.8)
    c1 = hsv(hue, b.uniform(0.45, 0.7), value)
    return b.mat(
        c1, hsv(hue - 0.01, 0.7, value * 0.6), kind=tex.GRAIN, scale=scale, spec=0.2, shine=25
    )


def metal(b: Builder) -> int:
    """Pick a metal."""
    c = b.pick([(0.9, 0.65, 0.25), (0.75, 0.75, 0.78), (0.85, 0.5, 0.35), (0.3, 0.3, 0.33)])
    return b.mat(c, spec=1.2, shine=60, mirror=0.35)


def cloth(b: Builder, scale: float = 0.03) -> int:
    """Pick a fabric."""
    hue = b.uniform(0, 1)
    value = b.uniform(0.35, 0.9)
    kind = b.pick([tex.WEAVE, tex.PLAID, tex.STRIPES, tex.WEAVE, tex.DOTS, tex.MOTTLED])
    size = scale if kind == tex.WEAVE else scale * b.uniform(3, 6)
    return b.mat(
        hsv(hue, b.uniform(0.1, 0.7), value),
        hsv(hue + b.uniform(-0.1, 0.1), 0.4, value * 0.65),
        (0.85, 0.82, 0.75),
        kind=kind,
        scale=size,
        bump=0.1,
        bump_scale=0.02,
        wrap=0.2,
    )


def leaf(b: Builder, hue: float | None = None) -> int:
    """Pick a leaf material."""
    hue = b.uniform(0.22, 0.38) if hue is None else hue
    return b.mat(
        hsv(hue, b.uniform(0.55, 0.8), b.uniform(0.35, 0.6)),
        hsv(hue - 0.05, 0.65, b.uniform(0.55, 0.8)),
        kind=tex.MOTTLED,
        scale=0.1,
        wrap=0.35,
    )


def coat(b: Builder) -> int:
    """Pick an animal's coat."""
    kind = b.pick([tex.PLAIN, tex.PATCHES, tex.ZEBRA, tex.DOTS, tex.MOTTLED, tex.PATCHES])
    hue = b.pick([0.06, 0.08, 0.04, 0.1, b.uniform(0, 1)])
    return b.mat(
        hsv(hue, b.uniform(0.2, 0.65), b.uniform(0.5, 0.9)),
        b.pick([(0.85, 0.82, 0.78), (0.04, 0.03, 0.03), hsv(hue, 0.6, 0.35)]),
        kind=kind,
        scale=b.uniform(0.12, 0.3),
        wrap=0.2,
        spec=0.1,
    )
