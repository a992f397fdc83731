"""Gives a finished result the place its raster has got since, from a side file that came late."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pyogrio.raw import read
from rasterio.windows import Window

from server.rasters.labels import LabelCanvas, read_class_palette
from server.rasters.opening import open_raster
from server.rasters.windows import plan_windows
from server.vectors.geopackage import LAYER, ObjectAttributes, write_objects

BLOCK_PX = 1024
ATTRIBUTES = ("id", "predicted_iou", "stability_score", "point", "class", "source")


def is_placed_like(labels: Path, source: Path) -> bool:
    """Tell whether a label raster has the georeferencing `source` has now."""
    with open_raster(labels) as old, open_raster(source) as raster:
        return (old.crs, old.transform, _points(old)) == (raster.crs, raster.transform, _points(raster))


def place_again(labels: Path, objects: Path, source: Path, folder: Path) -> None:
    """Write a result again with the georeferencing of `source`; ids, pixels and attributes stay the same.

    Args:
        labels: the label raster so far.
        objects: the GeoPackage so far.
        source: the raster both belong to.
        folder: receives the new files under the names of the old ones.
    """
    place_raster_again(labels, source, folder)
    write_objects(folder / labels.name, folder / objects.name, read_attributes(objects))


def place_raster_again(labels: Path, source: Path, folder: Path) -> None:
    """Write a label or class raster again, under its name into `folder`, with the georeferencing of `source`."""
    with LabelCanvas(source, folder, read_class_palette(labels)) as canvas, open_raster(labels) as old:
        for window in plan_windows(old.width, old.height, size=BLOCK_PX, overlap=0):
            canvas.write(window, old.read(1, window=Window(window.col, window.row, window.width, window.height)))
        canvas.write_cog(folder / labels.name)


def read_attributes(objects: Path) -> dict[int, ObjectAttributes]:
    """Return by object id what a GeoPackage tells beside the outlines."""
    meta, _, _, columns = read(objects, layer=LAYER, columns=list(ATTRIBUTES), read_geometry=False)
    rows = zip(*(columns[list(meta["fields"]).index(name)] for name in ATTRIBUTES), strict=True)
    return {
        int(object_id): ObjectAttributes(
            predicted_iou=_number(predicted_iou),
            stability_score=_number(stability_score),
            point_xy=None if point is None else tuple(json.loads(point)),
            class_name=class_name,
            source=source,
        )
        for object_id, predicted_iou, stability_score, point, class_name, source in rows
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _points(raster: object) -> list[tuple[float, ...]]:
    """Return ground control points as plain numbers, which compare."""
    return [(point.row, point.col, point.x, point.y) for point in raster.gcps[0]]  # type: ignore[attr-defined]
