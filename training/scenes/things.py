"""All makers of objects, in the order that seeds draw from: append, never reorder."""

from __future__ import annotations

from collections.abc import Callable

from training.scenes.animals import bear, beast, bird, fish, person
from training.scenes.belongings import ball, books, candle, clock, gem, instrument, lamp, present
from training.scenes.build import Builder
from training.scenes.plants import mushroom, plant, tree
from training.scenes.produce import fruit
from training.scenes.vehicles import boat, car, house
from training.scenes.vessels import bottle, cup, glass, teapot, vase

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
