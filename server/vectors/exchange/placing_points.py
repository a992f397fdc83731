"""Carries the points of a file onto a raster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from server.rasters.coordinates import Points
from server.vectors.exchange.coco_file import COORDINATE_DIGITS
from server.vectors.exchange.found import FoundFeatures, RasterSpace
from server.vectors.exchange.placing import NO_PLACE, OUTSIDE, find_way

POINTS = (shapely.GeometryType.POINT, shapely.GeometryType.MULTIPOINT)


@dataclass(frozen=True)
class PlacedPoints:
    """The points that lie on the raster.

    Attributes:
        points_xy: float64 (N, 2) in its pixels.
        indexes: of the features that hold them, among those of the file.
        notes: what happened to all of them.
    """

    points_xy: Points
    indexes: list[int]
    notes: list[str]


def is_point(found: FoundFeatures) -> NDArray[np.bool_]:
    """Return bool (N,), True for the features of a file that are one or more points."""
    given = np.empty(len(found.geometries), dtype=object)
    given[:] = found.geometries
    found_points: NDArray[np.bool_] = np.isin(shapely.get_type_id(given), POINTS) & ~shapely.is_empty(given)
    return found_points


def place_points(found: FoundFeatures, space: RasterSpace) -> PlacedPoints:
    """Return the points of a file in pixels of the raster, each of a feature with several.

    Raises:
        BadParameter: the file cannot be brought onto the raster at all.
    """
    move, notes = find_way(found, space)
    chosen = np.flatnonzero(is_point(found)).tolist()
    given = [found.geometries[index] for index in chosen]
    points, owners = shapely.get_coordinates(shapely.force_2d(given), return_index=True)
    with np.errstate(invalid="ignore"):  # the way back from nowhere
        pixels = np.round(move(points), COORDINATE_DIGITS)
    has_place = np.isfinite(pixels).all(axis=1)
    is_inside = (pixels >= 0).all(axis=1) & (pixels < (space.width, space.height)).all(axis=1)
    counts = {NO_PLACE: int((~has_place).sum()), OUTSIDE: int((has_place & ~is_inside).sum())}
    notes += [f"{what}: {count:,}." for what, count in counts.items() if count]
    return PlacedPoints(pixels[is_inside], [chosen[owner] for owner in owners[is_inside]], notes)
