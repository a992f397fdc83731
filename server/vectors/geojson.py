"""Objects as GeoJSON features: longitude and latitude by RFC 7946, or pixels where the raster has no place on Earth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyogrio.raw import read

from server.rasters.coordinates import Points
from server.rasters.opening import open_raster
from server.vectors.geopackage import CHUNK, LAYER
from server.vectors.placement import Placement, read_placement
from server.vectors.polygons import as_multipolygon

# RFC 7946 recommends seven: about a centimetre. Pixels without georeferencing get the same.
DIGITS = 7
Feature = dict[str, Any]


def read_rows(objects: Path, where: str | None = None) -> Iterator[tuple[shapely.MultiPolygon, dict[str, Any]]]:
    """Yield (geometry in the file's coordinates, attributes by name) of the objects, a chunk at a time.

    Args:
        objects: a GeoPackage by `write_objects`.
        where: SQL condition, or None for all.

    Yields:
        Attributes as plain JSON values, `bbox` and `point` as lists, None for NULL.
    """
    skipped = 0
    while True:
        meta, _, geometries, columns = read(
            objects, layer=LAYER, where=where, skip_features=skipped, max_features=CHUNK
        )
        for index, geometry in enumerate(shapely.from_wkb(geometries)):
            values = {name: _plain(column[index]) for name, column in zip(meta["fields"], columns, strict=True)}
            for name in ("bbox", "point"):
                values[name] = json.loads(values[name]) if values[name] is not None else None
            yield geometry, values
        skipped += len(geometries)
        if len(geometries) < CHUNK:
            return


def read_features(objects: Path, labels: Path, where: str | None = None) -> Iterator[Feature]:
    """Yield the objects as GeoJSON features.

    Args:
        objects: the GeoPackage.
        labels: the label raster it was made from, which tells where the pixels lie.
        where: SQL condition, or None for all.
    """
    with open_raster(labels) as raster:
        placement = read_placement(raster)
    for geometry, properties in read_rows(objects, where):
        outline = make_outline(geometry, placement)
        yield {
            "type": "Feature",
            "id": properties["id"],
            "geometry": {"type": outline.geom_type, "coordinates": _coordinates(outline)},
            "properties": properties,
        }


def make_outline(geometry: shapely.MultiPolygon, placement: Placement, digits: int = DIGITS) -> shapely.Geometry:
    """Return the geometry in degrees or pixels: a polygon where one part suffices, outer rings counter-clockwise.

    Args:
        geometry: in map coordinates.
        placement: of the raster.
        digits: coordinates are rounded to so many after the point.
    """
    if placement.is_georeferenced:
        outline = _cut_at_antimeridian(shapely.transform(geometry, placement.to_lonlat))
    else:
        outline = shapely.transform(geometry, placement.to_pixel)
    rounded = shapely.transform(outline, lambda points: np.round(points, digits))
    oriented = shapely.orient_polygons(rounded)
    return oriented.geoms[0] if len(oriented.geoms) == 1 else oriented


def _cut_at_antimeridian(outline: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """Split an outline that crosses 180 degrees, as RFC 7946 section 3.1.9 asks; longitudes end up in -180..180."""
    west, _, east, _ = outline.bounds
    # Half the globe is wider than any object that does not cross: then longitudes jumped from 180 to -180.
    is_plain = west >= -180.0 and east <= 180.0 and east - west <= 180.0
    if is_plain or not np.isfinite(outline.bounds).all():
        return outline

    def unroll(points: Points) -> Points:
        return np.stack([np.where(points[:, 0] < 0.0, points[:, 0] + 360.0, points[:, 0]), points[:, 1]], axis=1)

    unrolled = shapely.make_valid(shapely.transform(outline, unroll))
    left = shapely.intersection(unrolled, shapely.box(0.0, -90.0, 180.0, 90.0))
    right = shapely.intersection(unrolled, shapely.box(180.0, -90.0, 360.0, 90.0))
    back = shapely.transform(right, lambda points: points - np.array([360.0, 0.0]))
    return as_multipolygon(shapely.GeometryCollection([left, back]))


def _coordinates(outline: shapely.Geometry) -> Any:
    """Return GeoJSON coordinates; nested tuples become arrays in JSON."""
    return shapely.geometry.mapping(outline)["coordinates"]


def _plain(value: Any) -> Any:
    """Return a numpy scalar as the JSON value it stands for; NaN is NULL."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value
