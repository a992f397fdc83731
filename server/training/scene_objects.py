"""What stands on the ground of a synthetic scene: roofs, tanks, crowns, cars, pools, each one object."""

from __future__ import annotations

import numpy as np

from server.training.scene_canvas import Canvas, Material, Polygon
from server.training.scene_land import turn

ROOFS = (
    Material((172, 96, 76, 120), 0.03, 0.05),
    Material((188, 122, 92, 135), 0.04, 0.05),
    Material((140, 70, 66, 105), 0.03, 0.04),
    Material((206, 204, 200, 190), 0.03, 0.03),
    Material((232, 230, 226, 215), 0.02, 0.02),
    Material((150, 150, 154, 140), 0.04, 0.04),
    Material((96, 98, 106, 92), 0.04, 0.04),
    Material((184, 170, 146, 160), 0.05, 0.04),
    Material((92, 132, 160, 120), 0.03, 0.04),
    Material((112, 100, 90, 105), 0.06, 0.06),
)
CARS = ((228, 228, 226), (36, 38, 42), (150, 152, 156), (170, 40, 36), (44, 70, 130), (200, 190, 160))
CROWNS = (
    Material((52, 82, 44, 175), 0.05, 0.10),
    Material((72, 104, 54, 190), 0.05, 0.10),
    Material((88, 108, 62, 180), 0.05, 0.10),
    Material((40, 62, 38, 150), 0.05, 0.10),
)
POOL = Material((88, 178, 200, 40), 0.03, 0.03)
RIM = Material((214, 212, 206, 200), 0.02, 0.02)
GLASS = Material((40, 48, 58, 40), 0.0, 0.05)


def draw_roof_material(rng: np.random.Generator) -> Material:
    """Return what a random roof is made of."""
    return _tint(rng, ROOFS[rng.integers(len(ROOFS))])


def paint_roof(
    canvas: Canvas, centre: tuple[float, float], angle: float, long_px: float, material: Material | None = None
) -> None:
    """Put up a building: a flat, gabled or hipped roof over a rectangle, or a flat one over an L, with its shadow.

    Args:
        canvas: what to paint on.
        centre: x, y in pixels.
        angle: of the long side, in radians.
        long_px: length of the long side.
        material: of the roof; None draws one.
    """
    rng = canvas.rng
    half = np.array([long_px / 2, long_px * rng.uniform(0.4, 0.9) / 2])
    kind = rng.choice(["flat", "gabled", "hipped", "ell"], p=[0.35, 0.3, 0.15, 0.2])
    outline = _ell(rng, half) if kind == "ell" else _rectangle(half)
    placed = place(outline, angle, centre)
    canvas.shade_polygon(placed, rng.uniform(0.12, 0.4) * long_px, rng.uniform(0.35, 0.6))
    material = material or draw_roof_material(rng)
    canvas.fill_polygon(placed, material, canvas.new_label())
    if kind in ("gabled", "hipped"):
        _slope_roof(canvas, half, angle, centre, material, hip=half[1] * (kind == "hipped"))
    elif long_px > 14:
        _furnish_flat_roof(canvas, half, angle, centre)


def paint_tank(canvas: Canvas, centre: tuple[float, float], radius_px: float) -> None:
    """Put up a round storage tank with a bright rim and a shadow."""
    circle = _circle(radius_px)
    canvas.shade_polygon(circle + centre, radius_px * 0.6)
    canvas.fill_polygon(circle + centre, RIM, canvas.new_label())
    canvas.fill_polygon(circle * 0.86 + centre, _tint(canvas.rng, ROOFS[canvas.rng.integers(3, 6)]), None)


def paint_tree(canvas: Canvas, centre: tuple[float, float], radius_px: float) -> None:
    """Plant a tree with a ragged crown, lit from one side, and a shadow."""
    rng = canvas.rng
    angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    radii = radius_px * (1 + 0.13 * rng.standard_normal(len(angles))).clip(0.6, 1.4)
    crown = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    canvas.shade_polygon(crown[::3] + centre, radius_px * 1.1, 0.55)
    material = _tint(rng, CROWNS[rng.integers(len(CROWNS))])
    canvas.fill_polygon(crown + centre, material, canvas.new_label(), 0.75)
    away = -canvas.sun / np.linalg.norm(canvas.sun)
    for share, shift, light in ((0.78, 0.12, 0.95), (0.5, 0.25, 1.15), (0.25, 0.35, 1.3)):
        canvas.fill_polygon(crown * share + centre + away * radius_px * shift, material, None, light)


def paint_car(canvas: Canvas, centre: tuple[float, float], angle: float, long_px: float) -> None:
    """Park a car: body, windscreens, shadow."""
    rng = canvas.rng
    half = np.array([long_px / 2, long_px * 0.22])
    red, green, blue = CARS[rng.integers(len(CARS))]
    body = place(_rectangle(half), angle, centre)
    canvas.shade_polygon(body, 0.3 * long_px)
    canvas.fill_polygon(body, Material((red, green, blue, 0.8 * blue), 0.0, 0.03), canvas.new_label())
    for along in (0.25, -0.35):
        screen = _rectangle(half * (0.14, 0.8)) + np.array([along * long_px, 0.0])
        canvas.fill_polygon(place(screen, angle, centre), GLASS, None)


def paint_pool(canvas: Canvas, centre: tuple[float, float], angle: float, long_px: float) -> None:
    """Dig a pool with a pale rim; only the water is the object."""
    water = _rectangle(np.array([long_px / 2, long_px * canvas.rng.uniform(0.25, 0.4)]))
    canvas.fill_polygon(place(water * 1.25, angle, centre), RIM, None)
    canvas.fill_polygon(place(water, angle, centre), POOL, canvas.new_label())


def place(outline: Polygon, angle: float, centre: tuple[float, float]) -> Polygon:
    """Turn an outline around the origin, then move it to `centre`."""
    return np.asarray(outline @ turn(angle).T + np.asarray(centre))


def _slope_roof(
    canvas: Canvas, half: Polygon, angle: float, centre: tuple[float, float], material: Material, hip: float
) -> None:
    """Brighten or darken the slopes of a roof by how they face the sun; `hip` is where the ridge ends."""
    ridge = half[0] - hip
    slopes = [
        (np.array([(-half[0], -half[1]), (half[0], -half[1]), (ridge, 0), (-ridge, 0)]), (0, -1)),
        (np.array([(-half[0], half[1]), (half[0], half[1]), (ridge, 0), (-ridge, 0)]), (0, 1)),
        (np.array([(half[0], -half[1]), (half[0], half[1]), (ridge, 0)]), (1, 0)),
        (np.array([(-half[0], -half[1]), (-half[0], half[1]), (-ridge, 0)]), (-1, 0)),
    ]
    for outline, facing in slopes[: 4 if hip else 2]:
        light = 1.0 - 0.22 * float(turn(angle) @ np.asarray(facing) @ canvas.sun)
        canvas.fill_polygon(place(outline, angle, centre), material, None, light)


def _furnish_flat_roof(canvas: Canvas, half: Polygon, angle: float, centre: tuple[float, float]) -> None:
    """Put a few boxes and panels on a flat roof; they belong to it."""
    for _ in range(canvas.rng.integers(0, 5)):
        box = _rectangle(half * canvas.rng.uniform(0.06, 0.2, 2)) + half * canvas.rng.uniform(-0.6, 0.0, 2)
        placed = place(box, angle, centre)
        canvas.shade_polygon(placed, 2.0, 0.7)
        canvas.fill_polygon(placed, _tint(canvas.rng, ROOFS[canvas.rng.integers(3, 7)]), None)


def _rectangle(half: Polygon) -> Polygon:
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half


def _ell(rng: np.random.Generator, half: Polygon) -> Polygon:
    """Return an L inside the rectangle of these half sides; it contains the quarter around (-half, -half)."""
    x, y = half * rng.uniform(0.0, 0.4, 2)
    return np.array(
        [(-half[0], -half[1]), (half[0], -half[1]), (half[0], y), (x, y), (x, half[1]), (-half[0], half[1])]
    )


def _circle(radius: float) -> Polygon:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius


def _tint(rng: np.random.Generator, material: Material) -> Material:
    factors = rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 4)
    red, green, blue, infrared = (float(value) for value in np.asarray(material.colour) * factors)
    return Material((red, green, blue, infrared), material.patchy, material.grainy)
