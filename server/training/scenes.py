"""Synthetic aerial scenes with the outline of every object known: what the embedded network learns from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.scene_canvas import Canvas, FloatImage
from server.training.scene_land import paint_cells, paint_lake, paint_river, paint_roads, paint_wood
from server.training.scene_objects import draw_roof_material
from server.training.settlement import Houses, Streets, build_houses, park_cars, plant_trees

# Pieces that a road, a shadowed edge or a crown left of something, too small to be clicked on.
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
        has_equal_roofs: whether all are of one material, so that nothing but their outlines keeps houses apart.
    """

    is_urban: bool
    scale: float
    n_cells: int
    density: float
    has_water: bool
    has_wood: bool
    has_roads: bool
    has_equal_roofs: bool


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
        has_equal_roofs=bool(rng.random() < 0.35),
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
    if style.has_water and rng.random() < 0.5:
        taken = taken | paint_river(canvas, rng.uniform(14, 60) * style.scale, rng.uniform(0.2, 0.8))
    elif style.has_water:
        taken = taken | paint_lake(canvas, rng.uniform(20, 90) * style.scale)
    streets = Streets(border, rng.uniform(6, 14) * style.scale if style.has_roads else 0.0)
    if style.has_roads:
        road = paint_roads(canvas, border, streets.width_px)
        park_cars(canvas, road & ~taken, streets, style.density)
        taken = taken | road
    roof = draw_roof_material(rng).without_noise() if style.has_equal_roofs else None
    build_houses(canvas, taken, streets, Houses(style.density, style.is_urban, roof))
    plant_trees(canvas, taken, rng.uniform(0, 1) * style.density)
    blur_as_a_lens(canvas)
    return Scene(canvas.bands, split_into_connected(canvas.labels))


def blur_as_a_lens(canvas: Canvas) -> None:
    """Soften the borders that were painted without half tones."""
    cv2.GaussianBlur(canvas.bands, (0, 0), float(canvas.rng.uniform(0.45, 0.8)), dst=canvas.bands)


def split_into_connected(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give every separate piece of an object its own id; slivers become 0."""
    result = np.zeros_like(labels)
    next_id = 1
    for label, window in _object_windows(labels):
        where = (labels[window] == label).astype(np.uint8)
        n_pieces, pieces, statistics, _ = cv2.connectedComponentsWithStats(where, connectivity=4)
        for piece in range(1, n_pieces):
            if statistics[piece, cv2.CC_STAT_AREA] >= MIN_PIECE_AREA_PX:
                result[window][pieces == piece] = next_id
                next_id += 1
    return result


def _object_windows(labels: NDArray[np.int32]) -> list[tuple[int, tuple[slice, slice]]]:
    """Return each id over 0 with the smallest window around it; all at once, because there are hundreds."""
    order = np.argsort(labels, axis=None, kind="stable")
    ids, starts = np.unique(labels.ravel()[order], return_index=True)
    rows, cols = np.divmod(order, labels.shape[1])
    bounds = [reduce.reduceat(index, starts) for index in (rows, cols) for reduce in (np.minimum, np.maximum)]
    return [
        (int(label), (slice(top, bottom + 1), slice(left, right + 1)))
        for label, top, bottom, left, right in zip(ids, *bounds, strict=True)
        if label > 0
    ]
