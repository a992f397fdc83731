"""Reads JSON of strangers: bounded in size and depth, and told apart into GeoJSON and COCO."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS
from shapely.errors import ShapelyError

from server.errors import BadParameter, TooLarge
from server.vectors.exchange.coco_reading import is_coco, read_coco
from server.vectors.exchange.found import FIELD, FoundFeatures, RasterSpace, check_count, read_code

# Parsed JSON takes up to twenty times the memory of its text.
MAX_JSON_BYTES = 64 * 2**20
READ = ("Polygon", "MultiPolygon", "GeometryCollection", "Point", "MultiPoint")
GEOMETRIES = (*READ, "LineString", "MultiLineString")
_BROKEN = (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
# "EPSG:32650", "urn:ogc:def:crs:EPSG::32650", "urn:ogc:def:crs:OGC:1.3:CRS84"
_CRS_NAME = re.compile(r"(?:urn:ogc:def:crs:)?(EPSG|OGC|ESRI|IAU)(?::[\d.]*)?:(\w+)", re.IGNORECASE)


def read_json(file: Path, space: RasterSpace) -> FoundFeatures:
    """Read GeoJSON or COCO.

    Args:
        file: UTF-8 text.
        space: of the raster the outlines are for.

    Raises:
        TooLarge: the file has more than `MAX_JSON_BYTES`.
        BadParameter: it is no JSON, or neither GeoJSON nor COCO.
    """
    size = file.stat().st_size
    if size > MAX_JSON_BYTES:
        raise TooLarge(
            f"The JSON file has {size:,} bytes; at most {MAX_JSON_BYTES:,} are read. Send it as a GeoPackage or "
            "FlatGeobuf, or cut it to the area of the raster.",
            FIELD,
        )
    try:
        content = json.loads(file.read_bytes().decode("utf-8-sig"))
    except RecursionError as error:
        raise BadParameter("The JSON file is nested too deeply to be GeoJSON or COCO.", FIELD) from error
    except ValueError as error:
        raise BadParameter(f"The file is no JSON in UTF-8 ({str(error)[:200]}); export it again.", FIELD) from error
    if is_coco(content):
        return read_coco(content, space)
    return read_geojson(content, space)


def read_geojson(content: Any, space: RasterSpace) -> FoundFeatures:
    """Read GeoJSON: longitude and latitude, unless it names another CRS in the way of 2008 or says it is in pixels.

    Raises:
        BadParameter: it is no GeoJSON or names a CRS that is unknown.
    """
    features = _list_features(content)
    check_count(len(features))
    rows = [feature.get("properties") for feature in features]
    geometries = [_parse(feature.get("geometry")) for feature in features]
    found = [row if isinstance(row, dict) else {} for row in rows]
    crs = _read_crs(content.get("crs"))
    if content.get("space") == "pixel":
        return FoundFeatures(geometries, found, in_pixels=True)
    if crs is None and not space.placement.is_georeferenced:
        note = "The raster has no place on Earth, so the coordinates of the GeoJSON were taken as its pixels."
        return FoundFeatures(geometries, found, in_pixels=True, notes=[note])
    return FoundFeatures(geometries, found, crs or CRS.from_epsg(4326))


def _list_features(content: Any) -> list[Mapping[str, Any]]:
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "FeatureCollection" and isinstance(content.get("features"), list):
        return [feature for feature in content["features"] if isinstance(feature, dict)]
    if kind == "Feature":
        return [content]
    if kind in GEOMETRIES:
        return [{"geometry": content}]
    raise BadParameter(
        'The JSON is neither GeoJSON (a "FeatureCollection", "Feature" or geometry) nor COCO ("images", "annotations" '
        'and "categories").',
        FIELD,
    )


def _parse(geometry: Any) -> shapely.Geometry | None:
    """Return a geometry of any type, None where it is absent or broken."""
    if not isinstance(geometry, dict):
        return None
    if geometry.get("type") not in READ:
        # Which one does not matter: nothing is made of it.
        return shapely.LineString()
    try:
        return shapely.force_2d(shapely.geometry.shape(geometry))
    except _BROKEN:
        return None


def _read_crs(member: Any) -> CRS | None:
    """Return the CRS of the member that GeoJSON had before RFC 7946; links in it are not followed."""
    if member is None:
        return None
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    match = _CRS_NAME.fullmatch(name) if isinstance(name, str) else None
    crs = read_code(*match.groups()) if match else None
    if crs is None:
        raise BadParameter(
            f"The GeoJSON names a coordinate reference system that is not known here ({json.dumps(name)[:100]}); write "
            'it as "urn:ogc:def:crs:EPSG::32650", or export it in longitude and latitude.',
            FIELD,
        )
    return crs
