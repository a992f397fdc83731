"""Turns a label raster into polygons strip by strip, so that memory follows the open objects and not the raster."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader, features
from rasterio.windows import Window

# Pixels read at once; rows of whole strips are at least one block high where the raster is not extremely wide.
STRIP_PX = 4_000_000
MAX_STRIP_ROWS = 1024


def polygonise(
    labels: DatasetReader, tell: Callable[[float], None] = lambda _: None
) -> Iterator[tuple[int, shapely.MultiPolygon]]:
    """Yield every object of a label raster with its outline in pixel coordinates.

    Args:
        labels: int32 raster, 0 background.
        tell: told the finished share, 0..1, before every strip and every object; may raise to stop.

    Yields:
        (id, outline): each id once, in the order in which objects end towards the bottom. The outline follows the
        pixel borders (x to the right, y down, origin at the upper left corner), keeps holes and separate parts, and
        is valid. Pixels that touch only at a corner are separate parts.
    """
    strips = list(_strips(labels.width, labels.height))
    last_strip = _find_last_strips(labels, strips, tell)
    open_parts: dict[int, list[shapely.Polygon]] = {}
    for index, strip in enumerate(strips):
        tell(index / len(strips))
        values = _read(labels, strip)
        for object_id, part in _polygons_of(values, strip.row_off):
            open_parts.setdefault(object_id, []).append(part)
        finished = [object_id for object_id in sorted(open_parts) if last_strip[object_id] == index]
        for done, object_id in enumerate(finished):
            tell((index + done / len(finished)) / len(strips))
            yield object_id, unite(open_parts.pop(object_id))


def unite(parts: list[shapely.Polygon]) -> shapely.MultiPolygon:
    """Return one valid multi-polygon that covers exactly what `parts` cover, with corners only where it turns."""
    whole = _drop_stitches(shapely.union_all(parts)) if len(parts) > 1 else parts[0]
    return as_multipolygon(whole if whole.is_valid else shapely.make_valid(whole))


def _drop_stitches(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    """Take away the corners on straight edges that a union leaves where its parts met."""
    polygons = [
        shapely.Polygon(_turning_points(polygon.exterior), [_turning_points(hole) for hole in polygon.interiors])
        for polygon in as_multipolygon(geometry).geoms
    ]
    return shapely.MultiPolygon(polygons)


def _turning_points(ring: shapely.LinearRing) -> NDArray[np.float64]:
    """Return the points (N, 2) at which a ring along pixel borders turns."""
    points = shapely.get_coordinates(ring)[:-1]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns: NDArray[np.float64] = points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return turns


def as_multipolygon(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    """Return the polygons of `geometry` as one multi-polygon; lines and points it may hold have no area and go."""
    polygons = [part for part in shapely.get_parts(geometry).tolist() if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.MultiPolygon([polygon for part in polygons for polygon in shapely.get_parts(part).tolist()])


def _strips(width: int, height: int) -> Iterator[Window]:
    rows = min(MAX_STRIP_ROWS, max(1, STRIP_PX // width))
    for row in range(0, height, rows):
        yield Window(0, row, width, min(rows, height - row))


def _find_last_strips(labels: DatasetReader, strips: list[Window], tell: Callable[[float], None]) -> dict[int, int]:
    """Return for each id the index of the last strip it occurs in."""
    last: dict[int, int] = {}
    for index, strip in enumerate(strips):
        tell(0.0)
        last.update(dict.fromkeys(np.unique(_read(labels, strip)).tolist(), index))
    return last


def _read(labels: DatasetReader, window: Window) -> NDArray[np.int32]:
    values: NDArray[np.int32] = labels.read(1, window=window)
    return values


def _polygons_of(values: NDArray[np.int32], first_row: int) -> Iterator[tuple[int, shapely.Polygon]]:
    """Yield (id, polygon) for each 4-connected area of `values`, an int32 (rows, cols) strip that starts at a row."""
    shift = Affine.translation(0, first_row)
    for geometry, object_id in features.shapes(values, mask=values > 0, connectivity=4, transform=shift):
        outline, *holes = geometry["coordinates"]
        yield int(object_id), shapely.Polygon(outline, holes)
