"""Carries the features of a file onto a raster: into its CRS, into its pixels, and cut where it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from server.errors import BadParameter
from server.rasters.coordinates import Points
from server.vectors.exchange.coco_file import COORDINATE_DIGITS
from server.vectors.exchange.found import FIELD, MAX_CORNERS, MAX_TOTAL_CORNERS, FoundFeatures, RasterSpace
from server.vectors.polygons import as_multipolygon

POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON, shapely.GeometryType.GEOMETRYCOLLECTION)
# Rounding in a file moves corners on the border of the raster over it by less than this.
BORDER_PX = 0.01
# What is told of the features, before their number.
NO_OUTLINE = "Left out, because they have no outline that can be read (points, lines, broken or missing geometries)"
TOO_FINE = f"Left out, because they have more than {MAX_CORNERS:,} corners and need to be simplified"
NO_PLACE = "Left out, because they have no place in the raster's coordinate reference system"
NO_AREA = "Left out, because they cover no area"
OUTSIDE = "Left out, because they lie outside the raster"
CUT = "Cut at the border of the raster, over which they reach"
Move = Callable[[Points], Points]


@dataclass(frozen=True)
class PlacedFeatures:
    """The outlines that lie on the raster.

    Attributes:
        outlines: multi-polygons in its pixels, valid and inside it.
        indexes: of the same features among those of the file.
        notes: what happened to all of them.
    """

    outlines: list[shapely.MultiPolygon]
    indexes: list[int]
    notes: list[str]


def place_features(found: FoundFeatures, space: RasterSpace) -> PlacedFeatures:
    """Return the polygons of a file in pixels of the raster.

    Raises:
        BadParameter: the file cannot be brought onto the raster at all, or has too many corners.
    """
    move, notes = find_way(found, space)
    given = np.empty(len(found.geometries), dtype=object)
    given[:] = found.geometries
    polygons, simple = _choose(given)
    moved = _move(given[simple], move)
    is_placed = ~shapely.is_missing(moved)
    repaired = _repair(moved[is_placed])
    has_area = shapely.area(repaired) > 0
    inside, is_over = _cut(repaired, space)
    is_kept = shapely.area(inside) > 0
    counts = {
        NO_OUTLINE: len(given) - len(polygons),
        TOO_FINE: len(polygons) - len(simple),
        NO_PLACE: int((~is_placed).sum()),
        NO_AREA: int((~has_area).sum()),
        OUTSIDE: int((has_area & ~is_kept).sum()),
        CUT: int((is_kept & is_over).sum()),
    }
    notes += [f"{what}: {count:,}." for what, count in counts.items() if count]
    return PlacedFeatures(inside[is_kept].tolist(), simple[is_placed][is_kept].tolist(), notes)


def _choose(given: NDArray[np.object_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which geometries may have an area, and which of those have few enough corners."""
    polygons = np.flatnonzero(np.isin(shapely.get_type_id(given), POLYGONS) & ~shapely.is_empty(given))
    n_corners = shapely.get_num_coordinates(given[polygons])
    if n_corners.sum() > MAX_TOTAL_CORNERS:
        raise BadParameter(
            f"The outlines of the file have {int(n_corners.sum()):,} corners; at most {MAX_TOTAL_CORNERS:,} are taken. "
            "Simplify them, or cut the file to the area of the raster.",
            FIELD,
        )
    return polygons, polygons[n_corners <= MAX_CORNERS]


def _move(geometries: NDArray[np.object_], move: Move) -> NDArray[np.object_]:
    """Return geometries in pixels, None for those with a corner that has no place there."""
    flat = shapely.force_2d(geometries)
    points, owners = shapely.get_coordinates(flat, return_index=True)
    with np.errstate(invalid="ignore"):  # the way back from nowhere
        pixels = np.round(move(points), COORDINATE_DIGITS) + 0.0  # zero has no sign
    lost = np.unique(owners[~np.isfinite(pixels).all(axis=1)])
    flat[lost] = None
    # Rings with corners that are no numbers do not even close.
    moved: NDArray[np.object_] = shapely.set_coordinates(flat, pixels[~np.isin(owners, lost)])
    return moved


def find_way(found: FoundFeatures, space: RasterSpace) -> tuple[Move, list[str]]:
    """Return the way from coordinates of a file to pixels of the raster, and what has to be said about it.

    Raises:
        BadParameter: there is none.
    """
    placement = space.placement
    if found.in_pixels:
        return lambda points: points, []
    if found.crs is None:
        return placement.to_pixel, [
            "The file does not say its coordinate reference system; its coordinates were taken as those of the raster."
        ]
    if placement.crs is None:
        if placement.georeference is None:
            raise BadParameter(
                f"The file lies in {_name(found.crs)}, but the raster has no place on Earth; upload its world file and "
                ".prj first.",
                FIELD,
            )
        name = _name(found.crs)
        note = f"The raster does not say its coordinate reference system; it was taken to be that of the file, {name}."
        return placement.to_pixel, [note]
    if found.crs.equals(placement.crs, ignore_axis_order=True):
        return placement.to_pixel, []
    there = _make_transformer(found.crs, placement.crs)
    note = f"The file lies in {_name(found.crs)} and was reprojected to that of the raster, {_name(placement.crs)}."
    return lambda points: placement.to_pixel(np.stack(there.transform(points[:, 0], points[:, 1]), axis=1)), [note]


def _make_transformer(source: CRS, target: CRS) -> Transformer:
    try:
        return Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        raise BadParameter(
            f"There is no way from {_name(source)}, in which the file lies, to that of the raster, {_name(target)}.",
            FIELD,
        ) from error


def _name(crs: CRS) -> str:
    authority = crs.to_authority()
    return f"{':'.join(authority)} ({crs.name})" if authority else f'"{crs.name}"'


def _repair(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return valid multi-polygons, maybe empty ones."""
    is_broken = ~shapely.is_valid(geometries)
    repaired = geometries.copy()
    # This method keeps what parts cover twice; the other one would make a hole of it.
    repaired[is_broken] = shapely.make_valid(geometries[is_broken], method="structure", keep_collapsed=False)
    return _as_multipolygons(repaired)


def _cut(outlines: NDArray[np.object_], space: RasterSpace) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return the parts of outlines on the raster, and which of them reach over its border."""
    extent = shapely.box(0, 0, space.width, space.height)
    left, top, right, bottom = shapely.bounds(outlines).T
    with np.errstate(invalid="ignore"):  # empty outlines have no bounds
        is_over = (left < -BORDER_PX) | (top < -BORDER_PX)
        is_over |= (right > space.width + BORDER_PX) | (bottom > space.height + BORDER_PX)
    cut = outlines.copy()
    cut[is_over] = _as_multipolygons(shapely.intersection(outlines[is_over], extent))
    return cut, is_over


def _as_multipolygons(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    found = np.empty(len(geometries), dtype=object)
    found[:] = [as_multipolygon(geometry) for geometry in geometries]
    return found
