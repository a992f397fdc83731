"""Outlines of masks: any small one, and well-known shapes drawn at any angle and size."""

from __future__ import annotations

import math

import numpy as np
import shapely
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import rasterize
from shapely import affinity

from server.vectors.outlines import outline_mask

# The machine may be busy, and a failure has to come back.
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=60)
# Holes, parts, corners that touch: every mask of up to 9 x 9 pixels with at least one of them set.
masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda mask: bool(mask.any()))
mask_outlines = masks.map(lambda mask: outline_mask(np.kron(mask, np.ones((2, 2), dtype=bool)), (0.0, 0.0)))
tolerances = st.sampled_from([0.3, 1.0, 2.0, 5.0, 40.0])


def make_shape(kind: str, size: float) -> shapely.Polygon:
    """Return a shape of `size` pixels whose walls are level and upright."""
    whole = shapely.box(0, 0, size, size)
    return {
        "rectangle": lambda: shapely.box(0, 0, size, size * 0.6),
        "L": lambda: whole - shapely.box(size * 0.5, size * 0.5, size, size),
        "T": lambda: shapely.box(0, 0, size, size * 0.4) | shapely.box(size * 0.3, 0, size * 0.7, size),
        "U": lambda: whole - shapely.box(size * 0.33, size * 0.4, size * 0.67, size),
        "courtyard": lambda: whole - shapely.box(size * 0.3, size * 0.3, size * 0.7, size * 0.7),
        "circle": lambda: shapely.Point(0, 0).buffer(size / 2),
        "ellipse": lambda: affinity.scale(shapely.Point(0, 0).buffer(size / 2), 1, 0.6),
    }[kind]()


def place(shape: shapely.Geometry, angle_degrees: float) -> shapely.Geometry:
    """Return the shape turned, and moved to where no coordinate is negative; not on whole pixels."""
    turned = affinity.rotate(shape, angle_degrees, origin=(0, 0))
    left, top = turned.bounds[:2]
    return affinity.translate(turned, 3.31 - left, 3.17 - top)


def draw(shape: shapely.Geometry) -> shapely.MultiPolygon:
    """Return the outline of the mask of a shape: the pixels whose centres it covers."""
    right, bottom = shape.bounds[2:]
    mask = rasterize([shape], out_shape=(math.ceil(bottom) + 3, math.ceil(right) + 3)).astype(bool)
    return outline_mask(mask, (0.0, 0.0))


def measure_iou(first: shapely.Geometry, second: shapely.Geometry) -> float:
    """Return the area both cover over the area any of them covers."""
    return (first & second).area / (first | second).area


def measure_angles(ring: shapely.LinearRing) -> np.ndarray:
    """Return the inner angles of a ring in degrees, 0..180 (a corner of 270 counts as 90)."""
    points = shapely.get_coordinates(ring)[:-1]
    before, after = np.roll(points, 1, axis=0) - points, np.roll(points, -1, axis=0) - points
    cosine = (before * after).sum(axis=1) / np.hypot(*before.T) / np.hypot(*after.T)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def measure_distance(first: shapely.Geometry, second: shapely.Geometry) -> float:
    """Return how far the border of either is from that of the other at most, to within a small share of a pixel."""
    borders = [shapely.segmentize(shape.boundary, 0.2) for shape in (first, second)]
    return float(shapely.hausdorff_distance(*borders))


def is_outline(geometry: object) -> bool:
    """Tell whether this is what every edit promises: a valid multi-polygon that is not empty."""
    return isinstance(geometry, shapely.MultiPolygon) and geometry.is_valid and not geometry.is_empty
