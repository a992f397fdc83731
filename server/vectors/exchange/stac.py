"""A STAC item that says what was outlined on which raster, by what and when."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import shapely
from rasterio import DatasetReader
from rasterio.crs import CRS
from rasterio.errors import CRSError

from server import __version__
from server.rasters.coordinates import EDGE_POINTS, read_bounds_wgs84, read_georeference
from server.rasters.opening import open_raster
from server.vectors.exchange.layer import Layer
from server.vectors.outlines import make_feature
from server.vectors.placement import read_placement

STAC_VERSION = "1.1.0"
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
    "https://stac-extensions.github.io/label/v1.0.1/schema.json",
]
SOFTWARE = "Segment Anything in Remote Sensing Images"
Json = dict[str, Any]


def write_stac(target: Path, layer: Layer) -> None:
    """Write a STAC item; `geometry` is null and `bbox` absent where the raster has no place on Earth.

    Links and assets are file names: the item is meant to lie in one folder with the raster and the layer's GeoPackage.
    """
    with open_raster(layer.raster) as raster:
        place = _describe_place(raster)
        projection = _describe_projection(raster)
        media_type = _tell_media_type(raster)
    stem = Path(layer.raster_name).stem
    item = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": EXTENSIONS,
        "id": f"{stem}_objects",
        **place,
        "properties": {**_tell_times(layer), **projection, **_describe_processing(layer), **_describe_labels(layer)},
        "links": [{"rel": "source", "href": quote(layer.raster_name), "type": media_type, "label:assets": ["objects"]}],
        "assets": {
            "objects": {
                "href": quote(f"{stem}_objects.gpkg"),
                "type": "application/geopackage+sqlite3",
                "title": "Outlines of the objects",
                "roles": ["data", "labels", "labels-vector"],
            },
            "raster": {"href": quote(layer.raster_name), "type": media_type, "title": "Imagery", "roles": ["source"]},
        },
    }
    target.write_text(json.dumps(item, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _describe_place(raster: DatasetReader) -> Json:
    """Return `geometry`, around the raster, and `bbox`, which STAC wants only beside a geometry."""
    bounds = read_bounds_wgs84(raster)
    if bounds is None:
        return {"geometry": None}
    edge = shapely.segmentize(
        shapely.box(0, 0, raster.width, raster.height), max(raster.width, raster.height) / EDGE_POINTS
    )
    feature = make_feature(shapely.MultiPolygon([edge]), read_placement(raster), {})
    return {"geometry": None} if feature["geometry"] is None else {"geometry": feature["geometry"], "bbox": bounds}


def _describe_projection(raster: DatasetReader) -> Json:
    place = read_georeference(raster)
    crs = place.crs if place else None
    code = _find_code(crs) if crs else None
    described: Json = {"proj:code": code, "proj:shape": [raster.height, raster.width]}
    if crs and code is None:
        described["proj:wkt2"] = crs.to_wkt(version="WKT2_2019")
    if not raster.transform.is_identity:
        described["proj:transform"] = [float(number) for number in raster.transform[:6]]
    return described


def _find_code(crs: CRS) -> str | None:
    try:
        authority = crs.to_authority()
    except CRSError:  # engineering and local systems
        return None
    return ":".join(authority) if authority else None


def _tell_media_type(raster: DatasetReader) -> str:
    return {
        "GTiff": "image/tiff; application=geotiff",
        "PNG": "image/png",
        "JPEG": "image/jpeg",
        "JP2OpenJPEG": "image/jp2",
    }[raster.driver]


def _tell_times(layer: Layer) -> Json:
    """Return when objects were drawn: nobody knows when the imagery was taken."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    first = min((item.created for item in layer.objects), default=now)
    last = max((item.changed for item in layer.objects), default=now)
    return {
        "title": f"Objects outlined on {layer.raster_name}",
        "datetime": None,
        "start_datetime": _as_rfc3339(first),
        "end_datetime": _as_rfc3339(last),
        "created": now,
        "updated": now,
    }


def _as_rfc3339(text: str) -> str:
    """Return an ISO 8601 time in UTC in the form that STAC asks for, which must name its zone."""
    moment = datetime.fromisoformat(text)
    in_utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return in_utc.isoformat().replace("+00:00", "Z")


def _describe_processing(layer: Layer) -> Json:
    checkpoints = sorted({item.facts.checkpoint for item in layer.objects if item.facts.checkpoint})
    sources = Counter(item.facts.source for item in layer.objects)
    counted = ", ".join(f"{number} {source}" for source, number in sorted(sources.items())) or "none"
    drawn_by = f"; networks: {', '.join(checkpoints)}" if checkpoints else ""
    return {
        "processing:software": {SOFTWARE: __version__},
        "processing:lineage": f"Objects of {layer.raster_name}, accepted by a person ({counted}){drawn_by}.",
        "checkpoints": checkpoints,
    }


def _describe_labels(layer: Layer) -> Json:
    counts = Counter(item.facts.class_name for item in layer.objects)
    described: Json = {
        "label:type": "vector",
        "label:description": f"{len(layer.objects)} objects with outlines and classes",
        "label:properties": ["class"],
        "label:tasks": ["segmentation"],
        "label:methods": sorted({_METHODS[item.facts.source] for item in layer.objects}),
    }
    if layer.classes:
        described["label:classes"] = [{"name": "class", "classes": [row.name for row in layer.classes]}]
    found = [{"name": row.name, "count": counts[row.name]} for row in layer.classes if counts[row.name]]
    if found:
        described["label:overviews"] = [{"property_key": "class", "counts": found}]
    return described


# The label extension knows two methods.
_METHODS = {"automatic": "automatic", "prompt": "manual", "imported": "manual", "drawn": "manual"}
