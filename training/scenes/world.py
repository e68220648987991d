"""A scene for compiled code: a named tuple of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FAR = 1000.0  # metres; the depth of the sky, and the largest

# columns of ``land``, the ground
LAND_KIND, LAND_MAT, WATER_LEVEL, WATER_MAT = 0, 1, 2, 3
FIELD_X, FIELD_Y, FIELD_CELL, FIELD_TOP = 4, 5, 6, 7
ROOM_X0, ROOM_X1, ROOM_Y0, ROOM_Y1, ROOM_HEIGHT, ROOM_MATS = 8, 9, 10, 11, 12, 13
LAND_WIDTH = 20
NOTHING, FLAT, FIELD, ROOM = range(4)  # kinds of land

# columns of a window row: wall (0 left, 1 right, 2 back, 3 front), its extent, bars
WINDOW_WIDTH = 7
# columns of a lamp row: place, light, radius
LAMP_WIDTH = 7
# columns of a group row: bounding ball, first and past-last solid
GROUP_WIDTH = 6


class World(NamedTuple):
    """Everything a ray can hit. All arrays are float64 in C order.

    Attributes
    ----------
    prims, mats, profiles, groups : ndarray
        Solids, materials, profiles of lathed solids, and bounding balls of runs of solids.
    lamps, windows : ndarray
        Small lights, and openings in a room's walls.
    sky, land : ndarray
        Vectors, whose columns are named in `sky` and here.
    heights : ndarray, shape (rows, columns)
        Terrain heights, metres.
    """

    prims: NDArray[np.float64]
    mats: NDArray[np.float64]
    profiles: NDArray[np.float64]
    groups: NDArray[np.float64]
    lamps: NDArray[np.float64]
    windows: NDArray[np.float64]
    sky: NDArray[np.float64]
    land: NDArray[np.float64]
    heights: NDArray[np.float64]
