"""All makers of objects, in the order from which seeds draw them: never reorder, only append."""

from __future__ import annotations

from collections.abc import Callable

from evafast.builtin.scenes.animals import bear, beast, bird, fish, person
from evafast.builtin.scenes.belongings import (
    ball,
    books,
    candle,
    clock,
    gem,
    instrument,
    lamp,
    present,
)
from evafast.builtin.scenes.build import Builder
from evafast.builtin.scenes.plants import mushroom, plant, tree
from evafast.builtin.scenes.produce import fruit
from evafast.builtin.scenes.vehicles import boat, car, house
from evafast.builtin.scenes.vessels import bottle, cup, glass, teapot, vase

Maker = Callable[[Builder], None]

#: What stands on a table.
SMALL: list[Maker] = [
    vase, cup, bottle, glass, fruit, plant, lamp, books, ball, gem, mushroom, teapot, candle, clock,
    present,
]  # fmt: skip

#: What stands on a floor or in the open; plush and beasts twice as often.
LARGE: list[Maker] = [
    beast, bear, bird, fish, person, car, boat, house, tree, instrument, bear, beast,
]  # fmt: skip

#: Every maker by name.
MAKERS: dict[str, Maker] = {maker.__name__: maker for maker in [*SMALL, *LARGE]}
