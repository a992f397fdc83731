"""Writes the objects of a label raster as a GeoPackage, the form every other vector format is made from."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyogrio.raw import write

from server.rasters.opening import open_raster
from server.vectors.placement import Placement, read_placement
from server.vectors.polygons import polygonise

LAYER = "objects"
Row = tuple[object, ...]
# The column types, in the order of the columns; text columns are objects, because None in them means NULL.
COLUMNS: dict[str, type] = {
    "id": np.int32,
    "area_px": np.int64,
    "area_m2": np.float64,
    "predicted_iou": np.float64,
    "stability_score": np.float64,
    "bbox": np.object_,
    "point": np.object_,
    "class": np.object_,
    "source": np.object_,
}
# Features written at once: few calls into GDAL, little memory.
CHUNK = 1000
# Older programs warn about 1.4, and nothing here needs it.
VERSION = "1.2"
# GeoPackage's own "undefined Cartesian" system, for rasters without one.
NO_CRS = 'LOCAL_CS["Undefined Cartesian SRS"]'


@dataclass(frozen=True)
class ObjectAttributes:
    """What the label raster does not tell about an object.

    Attributes:
        predicted_iou: the network's own rating, 0..1; None where no network was asked.
        stability_score: 0..1 or None.
        point_xy: the click that found it, in pixels of the raster; None where there was none.
        class_name: None where objects have no class.
        source: how the object was found.
    """

    predicted_iou: float | None = None
    stability_score: float | None = None
    point_xy: tuple[float, float] | None = None
    class_name: str | None = None
    source: str | None = None


def write_objects(
    labels: Path,
    target: Path,
    attributes: Mapping[int, ObjectAttributes],
    tell: Callable[[float], None] = lambda _: None,
) -> int:
    """Polygonise `labels` into the layer "objects" of a new GeoPackage.

    Geometry is in the raster's CRS; without a CRS it follows the raster's transform, and without that it is pixels,
    x to the right and y down. `bbox` ([x, y, width, height]) and `point` ([x, y]) are JSON text in pixels.

    Args:
        labels: int32 raster, 0 background.
        target: file to write; replaced where it exists.
        attributes: by object id; ids that are missing get empty attributes.
        tell: told the finished share, 0..1, now and then; may raise to stop.

    Returns:
        Number of objects.
    """
    target.unlink(missing_ok=True)
    with open_raster(labels) as raster:
        placement = read_placement(raster)
        features = (
            (placement.place(outline), _row(object_id, outline, placement, attributes))
            for object_id, outline in polygonise(raster, tell)
        )
        _write_chunk([], placement, target)
        n_objects = 0
        while chunk := list(itertools.islice(features, CHUNK)):
            _write_chunk(chunk, placement, target)
            n_objects += len(chunk)
    _index_ids(target)
    return n_objects


def _row(
    object_id: int, outline: shapely.MultiPolygon, placement: Placement, attributes: Mapping[int, ObjectAttributes]
) -> Row:
    """Return the values of one feature in the order of `COLUMNS`."""
    known = attributes.get(object_id, ObjectAttributes())
    left, top, right, bottom = (round(value) for value in outline.bounds)
    area_m2 = placement.measure_m2(outline)
    return (
        object_id,
        round(outline.area),
        np.nan if area_m2 is None else area_m2,
        np.nan if known.predicted_iou is None else known.predicted_iou,
        np.nan if known.stability_score is None else known.stability_score,
        json.dumps([left, top, right - left, bottom - top]),
        None if known.point_xy is None else json.dumps([round(value, 2) for value in known.point_xy]),
        known.class_name,
        known.source,
    )


def _write_chunk(features: list[tuple[shapely.MultiPolygon, Row]], placement: Placement, target: Path) -> None:
    """Append features; the first, empty chunk makes the file, so that one without objects is valid too."""
    is_new = not target.exists()
    outlines = np.array([outline for outline, _ in features], dtype=object)
    write(
        target,
        shapely.to_wkb(outlines).astype(object),
        _columns([row for _, row in features]),
        list(COLUMNS),
        layer=LAYER,
        driver="GPKG",
        geometry_type="MultiPolygon",
        crs=NO_CRS if placement.crs is None else placement.crs.to_wkt(),
        append=not is_new,
        dataset_options={"VERSION": VERSION} if is_new else None,
        nan_as_null=True,
    )


def _columns(rows: list[Row]) -> list[np.ndarray]:
    values: Iterator[Row] = zip(*rows, strict=True) if rows else itertools.repeat((), len(COLUMNS))
    return [np.array(column, dtype=kind) for column, kind in zip(values, COLUMNS.values(), strict=True)]


def _index_ids(target: Path) -> None:
    """Make looking up one id independent of the number of objects."""
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.execute(f"CREATE INDEX objects_by_id ON {LAYER} (id)")
