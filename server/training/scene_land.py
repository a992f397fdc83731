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
MARKING = Material((222, 222, 214, 210), 0.0, 0.03)


def paint_cells(canvas: Canvas, n_cells: int, is_urban: bool) -> FloatImage:
    """Divide the ground into cells, one object each.

    Returns:
        float32 (H, W): distance of each pixel from the nearest border between two cells, in pixels.
    """
    centres = _cell_centres(canvas, n_cells, is_urban)
    nearest, border = _voronoi(canvas, centres, 0.0 if is_urban else canvas.rng.uniform(0, 10) * canvas.scale)
    materials = BLOCKS if is_urban else FIELDS
    for cell in range(len(centres)):
        where = nearest == cell
        if where.any():
            material = _vary(canvas.rng, materials[canvas.rng.integers(len(materials))])
            stripes = 1.0 if is_urban else _crop_rows(canvas)
            canvas.fill(where, material, canvas.new_label(), stripes)
    return border


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


def paint_water(canvas: Canvas) -> Mask:
    """Let a river cross the scene, or a lake lie in it; returns bool (H, W), True on the water."""
    size, rng = canvas.size, canvas.rng
    water = np.zeros((size, size), np.uint8)
    if rng.random() < 0.5:
        along = np.linspace(-0.1, 1.1, 60)
        bends = rng.uniform(0.2, 0.8) + sum(
            rng.uniform(0.02, 0.1) * np.sin(2 * np.pi * (wave * along + rng.random())) for wave in (0.7, 1.3, 2.4)
        )
        course = np.stack([along, bends], axis=1)[:, :: rng.choice([1, -1])] * size
        cv2.polylines(water, [course.astype(np.int32)], False, 1, int(rng.uniform(14, 60) * canvas.scale) + 3)
    else:
        rows, cols = np.indices((size, size))
        row, col = rng.uniform(0.1, 0.9, 2) * size
        radius = rng.uniform(20, 90) * canvas.scale
        distance = np.hypot((rows - row) * rng.uniform(0.6, 1.6), cols - col)
        water = (distance < radius * (1 + 0.3 * make_noise(rng, size, 0.7 * radius))).astype(np.uint8)
    where = water > 0
    bank = cv2.dilate(water, np.ones((3, 3), np.uint8), iterations=int(3 * canvas.scale) + 1) > 0
    canvas.fill(bank, FIELDS[rng.integers(len(FIELDS))], None)
    canvas.fill(where, _vary(rng, WATERS[rng.integers(len(WATERS))]), canvas.new_label())
    return where


def paint_wood(canvas: Canvas) -> Mask:
    """Cover an irregular area with crowns, one object; returns bool (H, W), True in the wood."""
    size, rng = canvas.size, canvas.rng
    wavelength = rng.uniform(50, 120) * canvas.scale
    where = make_noise(rng, size, wavelength) > rng.uniform(0.9, 1.4)
    crowns = make_noise(rng, size, rng.uniform(4, 9) * canvas.scale)
    brightness = (1.0 + 0.25 * crowns).clip(0.4, 1.7).astype(np.float32)
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
    return grid @ turn(rng.uniform(0, np.pi)).T * canvas.size * 1.6 / per_side + canvas.size / 2


def _voronoi(canvas: Canvas, centres: NDArray[np.float64], wobble_px: float) -> tuple[NDArray[np.intp], FloatImage]:
    """Return the nearest centre of every pixel, and its distance from the border to the next cell."""
    rows, cols = np.indices((canvas.size, canvas.size), dtype=np.float32)
    if wobble_px > 0:
        rows = rows + wobble_px * make_noise(canvas.rng, canvas.size, 60 * canvas.scale)
        cols = cols + wobble_px * make_noise(canvas.rng, canvas.size, 60 * canvas.scale)
    first = np.full(rows.shape, np.inf, np.float32)
    second = first.copy()
    nearest = np.zeros(rows.shape, np.intp)
    second_nearest = nearest.copy()
    for index, (x, y) in enumerate(centres.astype(np.float32)):
        distance = (cols - x) ** 2 + (rows - y) ** 2
        closer, between = distance < first, (distance >= first) & (distance < second)
        second = np.where(closer, first, np.where(between, distance, second))
        second_nearest = np.where(closer, nearest, np.where(between, index, second_nearest))
        first, nearest = np.where(closer, distance, first), np.where(closer, index, nearest)
    apart = np.linalg.norm(centres[nearest] - centres[second_nearest], axis=2)
    return nearest, ((second - first) / (2 * apart + 1e-3)).astype(np.float32)


def _crop_rows(canvas: Canvas) -> float | FloatImage:
    """Return brightness factors (H, W) of plant rows in a random direction, or 1.0 for a field without rows."""
    rng = canvas.rng
    if rng.random() < 0.5:
        return 1.0
    rows, cols = np.indices((canvas.size, canvas.size), dtype=np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 9) * max(canvas.scale, 0.7)
    wave = np.sin((rows * np.sin(angle) + cols * np.cos(angle)) * (2 * np.pi / period))
    return np.asarray(1.0 + rng.uniform(0.03, 0.14) * wave, dtype=np.float32)


def _vary(rng: np.random.Generator, material: Material) -> Material:
    """Return the material a little lighter, darker or of another tint."""
    tint = rng.uniform(0.82, 1.2) * rng.uniform(0.93, 1.07, 4)
    red, green, blue, infrared = (float(value) for value in np.asarray(material.colour) * tint)
    return Material((red, green, blue, infrared), material.patchy, material.grainy)


def turn(angle: float) -> NDArray[np.float64]:
    """Return the 2 x 2 rotation by `angle` radians."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
