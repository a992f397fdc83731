"""The ground of a synthetic scene: fields or city blocks, the roads between them, water and woods."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.scene_canvas import Canvas, FloatImage, Mask, Material, make_noise

FIELDS = (
    Material((84, 112, 62, 190), 0.10, 0.06),
    Material((112, 136, 74, 200), 0.08, 0.05),
    Material((62, 92, 54, 180), 0.10, 0.08),
    Material((150, 148, 92, 170), 0.08, 0.05),
    Material((186, 168, 118, 150), 0.06, 0.04),
    Material((146, 116, 86, 130), 0.08, 0.06),
    Material((118, 92, 70, 115), 0.08, 0.06),
    Material((170, 146, 116, 150), 0.10, 0.05),
    Material((204, 190, 160, 180), 0.06, 0.04),
)
BLOCKS = (
    Material((104, 122, 80, 180), 0.12, 0.07),
    Material((88, 110, 68, 185), 0.14, 0.08),
    Material((150, 144, 134, 140), 0.05, 0.04),
    Material((172, 160, 140, 150), 0.07, 0.04),
    Material((128, 126, 122, 120), 0.06, 0.04),
)
ROADS = (
    Material((104, 104, 106, 96), 0.04, 0.03),
    Material((128, 126, 124, 116), 0.05, 0.03),
    Material((84, 84, 90, 80), 0.04, 0.03),
    Material((176, 158, 130, 150), 0.08, 0.05),
)
WATERS = (
    Material((42, 66, 78, 20), 0.06, 0.02),
    Material((58, 84, 72, 28), 0.08, 0.02),
    Material((24, 42, 62, 12), 0.05, 0.02),
    Material((96, 112, 98, 40), 0.06, 0.02),
)
WOOD = Material((48, 74, 42, 165), 0.10, 0.05)
N_ROW_KINDS = 4  # directions of plant rows in one scene, beside fields without rows
MARKING = Material((222, 222, 214, 210), 0.0, 0.03)


def paint_cells(canvas: Canvas, n_cells: int, is_urban: bool, where: Mask | None = None) -> FloatImage:
    """Divide the ground into cells, one object each.

    Args:
        canvas: what to paint on.
        n_cells: how many, about.
        is_urban: blocks in a turned grid instead of fields.
        where: bool (H, W), the part of the ground to paint; None for all of it.

    Returns:
        float32 (H, W): distance of each pixel from the nearest border between two cells, in pixels.
    """
    rng = canvas.rng
    nearest = _nearest_cell(canvas, _cell_centres(canvas, n_cells, is_urban), not is_urban and rng.random() < 0.7)
    n_found = int(nearest.max()) + 1
    materials = BLOCKS if is_urban else FIELDS
    chosen = [_vary(rng, materials[rng.integers(len(materials))]) for _ in range(n_found)]
    rows = np.stack([np.ones_like(canvas.grain)] + [_crop_rows(canvas) for _ in range(0 if is_urban else N_ROW_KINDS)])
    brightness = np.take_along_axis(rows, rng.integers(0, len(rows), n_found)[nearest][None], axis=0)[0]
    inside = np.ones(nearest.shape, dtype=bool) if where is None else where
    canvas.fill_cells(inside, nearest, chosen, brightness)
    return _distance_from_borders(nearest)


def paint_roads(canvas: Canvas, border: FloatImage, width_px: float) -> Mask:
    """Pave the borders between cells.

    Returns:
        bool (H, W), True on the road.
    """
    road = border < width_px / 2
    material = _vary(canvas.rng, ROADS[canvas.rng.integers(len(ROADS))])
    if canvas.rng.random() < 0.4:  # pavement on both sides
        canvas.fill(border < width_px * 0.68, Material((168, 164, 156, 160)), canvas.new_label())
    canvas.fill(road, material, canvas.new_label())
    if width_px > 7 and canvas.rng.random() < 0.6:
        dashes = np.sin((np.indices(border.shape).sum(axis=0)) / (2.5 * canvas.scale + 1)) > 0
        canvas.fill((border < 0.5 + width_px / 40) & dashes, MARKING, None)
    return road


def paint_river(canvas: Canvas, width_px: float, start: float) -> Mask:
    """Let a river cross the scene, downwards or sideways; returns bool (H, W), True on the water.

    Args:
        canvas: what to paint on.
        width_px: width of the water.
        start: where it crosses, as a share of the side, 0..1.
    """
    rng = canvas.rng
    along = np.linspace(-0.1, 1.1, 60)
    bends = start + sum(
        rng.uniform(0.02, 0.09) * np.sin(2 * np.pi * (wave * along + rng.random())) for wave in (0.7, 1.3, 2.4)
    )
    course = np.stack([along, bends], axis=1)[:, :: rng.choice([1, -1])] * canvas.size
    water = np.zeros((canvas.size, canvas.size), np.uint8)
    cv2.polylines(water, [course.astype(np.int32)], False, 1, max(round(width_px), 1))
    return _flood(canvas, water > 0)


def paint_lake(canvas: Canvas, radius_px: float) -> Mask:
    """Put a lake with a ragged shore anywhere; returns bool (H, W), True on the water."""
    rng, size = canvas.rng, canvas.size
    rows, cols = np.indices((size, size))
    row, col = rng.uniform(0.1, 0.9, 2) * size
    distance = np.hypot((rows - row) * rng.uniform(0.6, 1.6), cols - col)
    return _flood(canvas, distance < radius_px * (1 + 0.3 * make_noise(rng, size, 0.7 * radius_px)))


def _flood(canvas: Canvas, where: Mask) -> Mask:
    """Paint water as one object, with a bank around it."""
    kernel = np.ones((3, 3), np.uint8)
    bank = cv2.dilate(where.astype(np.uint8), kernel, iterations=int(3 * canvas.scale) + 1) > 0
    canvas.fill(bank, FIELDS[canvas.rng.integers(len(FIELDS))], None)
    canvas.fill(where, _vary(canvas.rng, WATERS[canvas.rng.integers(len(WATERS))]), canvas.new_label())
    return where


def paint_wood(canvas: Canvas) -> Mask:
    """Cover an irregular area with crowns, one object; returns bool (H, W), True in the wood."""
    size, rng = canvas.size, canvas.rng
    wavelength = rng.uniform(50, 120) * canvas.scale
    where = make_noise(rng, size, wavelength) > rng.uniform(0.9, 1.4)
    crowns = make_noise(rng, size, rng.uniform(4, 9) * canvas.scale)
    brightness = (1.0 + 0.16 * crowns).clip(0.5, 1.5).astype(np.float32)
    canvas.fill(where, _vary(rng, WOOD), canvas.new_label(), brightness)
    return where


def _cell_centres(canvas: Canvas, n_cells: int, is_urban: bool) -> NDArray[np.float64]:
    """Return (N, 2) of x, y: a jittered, turned grid in town, anywhere in the country."""
    rng = canvas.rng
    if not is_urban:
        return rng.uniform(-0.1, 1.1, (n_cells, 2)) * canvas.size
    per_side = max(2, round(float(np.sqrt(n_cells)) * 1.6))
    x, y = np.meshgrid(np.arange(per_side) * rng.uniform(0.7, 1.4), np.arange(per_side).astype(float))
    grid = np.stack([x.ravel(), y.ravel()], axis=1) - [x.mean(), y.mean()]
    grid += rng.normal(0, rng.choice([0.0, 0.03, 0.12]), grid.shape)
    spread = canvas.size * 1.6 / per_side
    return np.asarray(grid @ turn(rng.uniform(0, np.pi)).T * spread + canvas.size / 2)


def _nearest_cell(canvas: Canvas, centres: NDArray[np.float64], is_wobbly: bool) -> NDArray[np.int32]:
    """Return for every pixel (H, W) which centre is nearest, 0..N-1; wobbly borders bend as field paths do."""
    size, margin = canvas.size, canvas.size // 4
    seeds = np.ones((size + 2 * margin, size + 2 * margin), np.uint8)
    cols, rows = np.round(centres).astype(int).T + margin
    on_canvas = (cols >= 0) & (rows >= 0) & (cols < len(seeds)) & (rows < len(seeds))
    seeds[rows[on_canvas], cols[on_canvas]] = 0
    _, nearest = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    if is_wobbly:
        y, x = np.indices(seeds.shape, dtype=np.float32)
        reach = canvas.rng.uniform(2, 10) * canvas.scale
        x = x + reach * make_noise(canvas.rng, len(seeds), 60 * canvas.scale)
        y = y + reach * make_noise(canvas.rng, len(seeds), 60 * canvas.scale)
        nearest = cv2.remap(nearest.astype(np.float32), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(nearest[margin : margin + size, margin : margin + size], dtype=np.int32) - 1


def _distance_from_borders(nearest: NDArray[np.int32]) -> FloatImage:
    """Return the distance (H, W), in pixels, from where one cell meets another."""
    same = np.ones(nearest.shape, np.uint8)
    same[:, 1:] &= nearest[:, 1:] == nearest[:, :-1]
    same[1:] &= nearest[1:] == nearest[:-1]
    return np.asarray(cv2.distanceTransform(same, cv2.DIST_L2, 5), dtype=np.float32)


def _crop_rows(canvas: Canvas) -> FloatImage:
    """Return brightness factors (H, W) of plant rows in a random direction."""
    rng = canvas.rng
    rows, cols = np.indices((canvas.size, canvas.size), dtype=np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 9) * max(canvas.scale, 0.7)
    wave = np.sin((rows * np.sin(angle) + cols * np.cos(angle)) * (2 * np.pi / period))
    return np.asarray(1.0 + rng.uniform(0.03, 0.14) * wave, dtype=np.float32)


def _vary(rng: np.random.Generator, material: Material) -> Material:
    """Return the material a little lighter, darker or of another tint."""
    tint = rng.uniform(0.82, 1.2) * rng.uniform(0.96, 1.04, 4)
    red, green, blue, infrared = (float(value) for value in np.asarray(material.colour) * tint)
    return Material((red, green, blue, infrared), material.patchy, material.grainy)


def turn(angle: float) -> NDArray[np.float64]:
    """Return the 2 x 2 rotation by `angle` radians."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
