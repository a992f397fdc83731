"""Synthetic aerial scenes with the outline of every object known: what the embedded network learns from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.scene_canvas import Canvas, FloatImage, Mask
from server.training.scene_land import paint_cells, paint_roads, paint_water, paint_wood
from server.training.scene_objects import paint_car, paint_pool, paint_roof, paint_tank, paint_tree

# Ids beyond this many pixels may have been cut in two by a road or a river.
MIN_SPLIT_AREA_PX = 400
MIN_PIECE_AREA_PX = 12


@dataclass(frozen=True)
class Scene:
    """A finished scene.

    Attributes:
        bands: float32 (H, W, 4), red, green, blue, near infrared, 0..255.
        labels: int32 (H, W); ids from 1, each one connected thing a person would outline.
    """

    bands: FloatImage
    labels: NDArray[np.int32]

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The scene as a camera would store it, uint8 (H, W, 3)."""
        return self.bands[..., :3].clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class SceneStyle:
    """What a scene is made of.

    Attributes:
        is_urban: blocks in a grid with houses, instead of fields.
        scale: size of things; 1 means a house is about 30 pixels long.
        n_cells: fields or blocks.
        density: share of the possible houses, trees and cars that are there, 0..1.
        has_water, has_wood, has_roads: whether there is any.
    """

    is_urban: bool
    scale: float
    n_cells: int
    density: float
    has_water: bool
    has_wood: bool
    has_roads: bool


def draw_style(rng: np.random.Generator) -> SceneStyle:
    """Return a random style."""
    is_urban = bool(rng.random() < 0.6)
    return SceneStyle(
        is_urban=is_urban,
        scale=float(np.exp(rng.uniform(np.log(0.5), np.log(2.6)))),
        n_cells=int(rng.integers(4, 26)),
        density=float(rng.uniform(0.2, 1.0)),
        has_water=bool(rng.random() < 0.3),
        has_wood=bool(rng.random() < 0.35),
        has_roads=bool(rng.random() < 0.8),
    )


def generate_scene(size: int, seed: int, style: SceneStyle | None = None) -> Scene:
    """Paint a square scene of `size` pixels; equal arguments give equal scenes.

    Args:
        size: side in pixels.
        seed: of every random choice.
        style: what to paint; None draws that too.
    """
    rng = np.random.default_rng(seed)
    style = style or draw_style(rng)
    canvas = Canvas(rng, size, style.scale)
    border = paint_cells(canvas, style.n_cells, style.is_urban)
    taken = paint_wood(canvas) if style.has_wood else np.zeros((size, size), dtype=bool)
    if style.has_water:
        taken = taken | paint_water(canvas)
    if style.has_roads:
        road = paint_roads(canvas, border, rng.uniform(6, 14) * style.scale)
        _park_cars(canvas, road & ~taken, border, style)
        taken = taken | road
    _build(canvas, taken, border, style)
    _plant(canvas, taken, style)
    cv2.GaussianBlur(canvas.bands, (0, 0), float(rng.uniform(0.45, 0.8)), dst=canvas.bands)
    return Scene(canvas.bands, split_into_connected(canvas.labels))


def split_into_connected(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give every separate piece of a large object its own id; slivers become 0."""
    result = np.zeros_like(labels)
    next_id = 1
    areas = np.bincount(labels.ravel())
    for label in np.flatnonzero(areas):
        if label == 0 or areas[label] < MIN_PIECE_AREA_PX:
            continue
        where = labels == label
        if areas[label] < MIN_SPLIT_AREA_PX:
            result[where] = next_id
            next_id += 1
            continue
        n_pieces, pieces, statistics, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=4)
        for piece in range(1, n_pieces):
            if statistics[piece, cv2.CC_STAT_AREA] >= MIN_PIECE_AREA_PX:
                result[pieces == piece] = next_id
                next_id += 1
    return result


def _park_cars(canvas: Canvas, road: Mask, border: FloatImage, style: SceneStyle) -> None:
    """Put cars on the road, along it."""
    places = np.argwhere(road)
    n_cars = min(40, int(style.density * len(places) / (420 * style.scale**2)))
    if n_cars == 0 or len(places) == 0:
        return
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(border, (0, 0), 3))
    for row, col in places[canvas.rng.choice(len(places), n_cars)]:
        along = np.arctan2(slope_x[row, col], -slope_y[row, col])
        paint_car(canvas, (col + 0.5, row + 0.5), float(along), canvas.rng.uniform(4, 5.5) * style.scale)


def _build(canvas: Canvas, taken: Mask, border: FloatImage, style: SceneStyle) -> None:
    """Put houses where there is room: in rows along the roads in town, here and there in the country."""
    rng, room = canvas.rng, canvas.size
    n_tries = int(style.density * (0.0011 if style.is_urban else 0.0002) * room**2 / style.scale**2) + 1
    angle = rng.uniform(0, np.pi)
    free = ~cv2.dilate(taken.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    for row, col in rng.uniform(0, room, (min(n_tries, 260), 2)):
        long_px = float(np.exp(rng.normal(np.log(30), 0.4))) * style.scale
        reach = int(long_px * 0.62)
        window = (slice(max(int(row) - reach, 0), int(row) + reach), slice(max(int(col) - reach, 0), int(col) + reach))
        if not free[window].all():
            continue
        free[window] = False
        turned = angle + rng.integers(2) * np.pi / 2 + rng.normal(0, 0.05 if style.is_urban else 1.0)
        if rng.random() < 0.06:
            paint_tank(canvas, (col, row), long_px * 0.4)
        else:
            paint_roof(canvas, (col, row), float(turned), long_px)
        if rng.random() < 0.12:
            beside = (col + long_px * 0.75, row)
            paint_pool(canvas, beside, float(turned), rng.uniform(6, 11) * style.scale)


def _plant(canvas: Canvas, taken: Mask, style: SceneStyle) -> None:
    """Plant single trees and rows of trees."""
    rng, size = canvas.rng, canvas.size
    n_trees = min(160, int(rng.uniform(0, 0.001) * style.density * size**2 / style.scale**2) + 1)
    places = rng.uniform(0, size, (n_trees, 2))
    if rng.random() < 0.4 and n_trees > 6:
        start, step = rng.uniform(0, size, 2), rng.normal(0, 14, 2) * style.scale
        places[: n_trees // 2] = start + np.arange(n_trees // 2)[:, None] * step
    for row, col in places:
        inside = 0 <= row < size and 0 <= col < size
        if inside and not taken[int(row), int(col)]:
            paint_tree(canvas, (col, row), rng.uniform(3.5, 10) * style.scale)
