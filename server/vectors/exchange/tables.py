"""Annotations as the tables that geographic programs read: GeoPackage, Shapefile and FlatGeobuf."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyogrio.raw import write

from server.rasters.opening import open_raster
from server.vectors.exchange.attributes import ATTRIBUTES, SHORT_NAMES, list_attributes
from server.vectors.exchange.layer import Layer
from server.vectors.exchange.qgis_style import add_style
from server.vectors.exports import archive_shapefile
from server.vectors.geopackage import LAYER, NO_CRS, VERSION
from server.vectors.placement import Placement, read_placement

_DTYPES = {int: np.int64, float: np.float64, str: np.object_, list: np.object_}


@dataclass(frozen=True)
class _Table:
    """Objects in map coordinates with their attributes, ready for any driver.

    Attributes:
        placement: of the raster.
        geometries: WKB (N,).
        columns: one array (N,) for each of `ATTRIBUTES`.
    """

    placement: Placement
    geometries: np.ndarray
    columns: Sequence[np.ndarray]

    def write(self, target: Path, driver: str, **options: Any) -> None:
        """Write the table as the layer "objects" of a new file."""
        names = [SHORT_NAMES.get(name, name) for name in ATTRIBUTES] if driver == "ESRI Shapefile" else list(ATTRIBUTES)
        write(
            target,
            self.geometries,
            self.columns,
            names,
            layer=LAYER,
            driver=driver,
            geometry_type="MultiPolygon",
            crs=NO_CRS if self.placement.crs is None else self.placement.crs.to_wkt(),
            encoding="UTF-8",
            nan_as_null=True,
            **options,
        )


def write_geopackage(target: Path, layer: Layer) -> None:
    """Write a GeoPackage whose layer QGIS shows in the colours of the classes."""
    target.unlink(missing_ok=True)
    _tabulate(layer).write(target, "GPKG", dataset_options={"VERSION": VERSION})
    add_style(target, LAYER, layer.classes)


def write_flatgeobuf(target: Path, layer: Layer) -> None:
    """Write a FlatGeobuf with a spatial index, which orders the objects by place."""
    target.unlink(missing_ok=True)
    # An index over nothing is no valid one.
    _tabulate(layer).write(target, "FlatGeobuf", layer_options={"SPATIAL_INDEX": "YES" if layer.objects else "NO"})


def write_shapefile(target: Path, layer: Layer) -> None:
    """Write a zip archive with objects.shp, .shx, .dbf, .cpg and, where there is a CRS, .prj."""
    table = _tabulate(layer)
    with tempfile.TemporaryDirectory(prefix="shapefile-", dir=target.parent) as scratch:
        table.write(Path(scratch) / f"{LAYER}.shp", "ESRI Shapefile")
        archive_shapefile(Path(scratch), target, has_crs=table.placement.crs is not None)


def _tabulate(layer: Layer) -> _Table:
    with open_raster(layer.raster) as raster:
        placement = read_placement(raster)
    rows = list_attributes(layer.objects, placement)
    outlines = np.array([placement.place(item.facts.outline) for item in layer.objects], dtype=object)
    columns = [_make_column([row[name] for row in rows], kind) for name, kind in ATTRIBUTES.items()]
    return _Table(placement, shapely.to_wkb(outlines).astype(object), columns)


def _make_column(values: Sequence[Any], kind: type) -> np.ndarray:
    """Return values as an array; lists become JSON text, an unknown number NaN and an unknown text None."""
    if kind is list:
        values = [None if value is None else json.dumps(value) for value in values]
    if kind is float:
        values = [np.nan if value is None else value for value in values]
    return np.array(values, dtype=_DTYPES[kind])
