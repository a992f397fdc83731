"""Where things stand in a synthetic scene: cars on roads, houses along them, trees in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.scene_canvas import Canvas, FloatImage, Mask, Material
from server.training.scene_objects import paint_car, paint_pool, paint_roof, paint_tank, paint_tree

TYPICAL_HOUSE_PX = 30.0
MAX_HOUSES_PER_MEGAPIXEL = 1100
ALONG_STREET_SHARE = 0.75  # of the houses in a town; the rest stands further back


@dataclass(frozen=True)
class Streets:
    """The borders between cells, which may be paved.

    Attributes:
        border: float32 (H, W), distance from the nearest border in pixels.
        width_px: width of the roads on them; 0 where there are none.
    """

    border: FloatImage
    width_px: float

    @cached_property
    def direction(self) -> NDArray[np.float64]:
        """Angle (H, W), in radians, along the nearest border."""
        slope_y, slope_x = np.gradient(cv2.GaussianBlur(self.border, (0, 0), 3))
        return np.asarray(np.arctan2(slope_x, -slope_y))


def park_cars(canvas: Canvas, road: Mask, streets: Streets, density: float) -> None:
    """Put cars on `road`, bool (H, W), along it and beside its middle."""
    lane = road & (streets.border > 0.12 * streets.width_px) & (streets.border < 0.36 * streets.width_px)
    places = np.argwhere(lane)
    n_cars = int(density * len(places) / (220 * canvas.scale**2))
    if n_cars == 0:
        return
    for row, col in places[canvas.rng.choice(len(places), n_cars)]:
        angle = float(streets.direction[row, col])
        paint_car(canvas, (col + 0.5, row + 0.5), angle, canvas.rng.uniform(4, 5.5) * canvas.scale)


@dataclass(frozen=True)
class Houses:
    """What kind of houses are built.

    Attributes:
        density: share of the possible houses, 0..1.
        is_urban: many small ones in rows, or a few anywhere.
        roof: what all roofs are made of; None draws every one.
    """

    density: float
    is_urban: bool
    roof: Material | None = None


def build_houses(canvas: Canvas, taken: Mask, streets: Streets, houses: Houses) -> None:
    """Put houses where there is room: facing the streets in town, here and there in the country.

    Args:
        canvas: what to paint on.
        taken: bool (H, W), True where no house may stand.
        streets: what houses in town line up with.
        houses: which.
    """
    rng = canvas.rng
    free = ~cv2.dilate(taken.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    per_area = (0.0016 if houses.is_urban else 0.0002) / canvas.scale**2
    n_tries = int(min(houses.density * per_area, MAX_HOUSES_PER_MEGAPIXEL / 2**20) * canvas.size**2) + 1
    spread = 0.04 if houses.is_urban else 1.0
    for row, col in _house_places(canvas, streets, n_tries, houses.is_urban):
        long_px = TYPICAL_HOUSE_PX * float(np.exp(rng.normal(0, 0.35))) * canvas.scale
        reach = int(long_px * 0.56)
        window = (slice(max(row - reach, 0), row + reach), slice(max(col - reach, 0), col + reach))
        if not free[window].all():
            continue
        free[window] = False
        angle = float(streets.direction[row, col]) + rng.integers(2) * np.pi / 2 + rng.normal(0, spread)
        if rng.random() < 0.05:
            paint_tank(canvas, (col, row), long_px * 0.4)
        else:
            paint_roof(canvas, (col, row), angle, long_px, houses.roof)
        if rng.random() < 0.1:
            paint_pool(canvas, (col + long_px * 0.75, row), angle, rng.uniform(6, 11) * canvas.scale)


def plant_trees(canvas: Canvas, taken: Mask, density: float) -> None:
    """Plant single trees, and sometimes a row of them, where `taken`, bool (H, W), is False; `density` is 0..1."""
    rng, size = canvas.rng, canvas.size
    n_trees = int(min(0.0011 * density / canvas.scale**2, 0.0008) * size**2) + 1
    places = rng.uniform(0, size, (n_trees, 2))
    if rng.random() < 0.4 and n_trees > 6:
        n_in_row = min(n_trees // 2, 40)
        places[:n_in_row] = rng.uniform(0, size, 2) + np.arange(n_in_row)[:, None] * rng.normal(0, 14, 2) * canvas.scale
    for row, col in places:
        inside = 0 <= row < size and 0 <= col < size
        if inside and not taken[int(row), int(col)]:
            paint_tree(canvas, (col, row), rng.uniform(3.5, 10) * canvas.scale)


def _house_places(canvas: Canvas, streets: Streets, n_places: int, is_urban: bool) -> NDArray[np.int64]:
    """Return (N, 2) of row, col to try, in random order."""
    anywhere = canvas.rng.integers(0, canvas.size, (n_places, 2))
    if not is_urban:
        return anywhere
    setback = streets.width_px / 2 + 0.62 * TYPICAL_HOUSE_PX * canvas.scale
    fronts = np.argwhere((streets.border > setback) & (streets.border < setback + 6 * canvas.scale))
    n_fronts = int(ALONG_STREET_SHARE * n_places)
    if len(fronts) and n_fronts:
        anywhere[:n_fronts] = fronts[canvas.rng.choice(len(fronts), n_fronts)]
    return anywhere
