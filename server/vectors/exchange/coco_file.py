"""Annotations as COCO: polygons, and run lengths where an object has holes, which COCO's polygons cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from server.rasters.opening import open_raster
from server.rasters.windows import PixelWindow
from server.vectors.annotated import AnnotatedObject, ObjectClass
from server.vectors.coco import UNNAMED_CLASS, Runs, count_runs
from server.vectors.exchange.attributes import list_attributes
from server.vectors.exchange.layer import Layer
from server.vectors.exchange.qgis_style import UNCLASSED, read_colour
from server.vectors.placement import read_placement

# A millionth of a pixel, the precision of every outline that is read.
COORDINATE_DIGITS = 6
# Class tables end at 255, so this category can stand for objects without a class.
UNCLASSED_ID = 256
STRIP_PX = 16_000_000


def write_coco(target: Path, layer: Layer) -> None:
    """Write one image, the class table as categories with colours, and one annotation per object with its id.

    Beside COCO's own members an annotation has our attributes; `area` and `bbox` are of the outline, in pixels.
    """
    with open_raster(layer.raster) as raster:
        placement = read_placement(raster)
        size = (raster.width, raster.height)
    image = {"id": 1, "file_name": layer.raster_name, "width": size[0], "height": size[1]}
    category_ids = {row.name: row.id for row in layer.classes}
    with target.open("w", encoding="utf-8") as file:
        file.write('{"images": [' + json.dumps(image) + '], "annotations": [')
        rows = list_attributes(layer.objects, placement)
        for index, (item, attributes) in enumerate(zip(layer.objects, rows, strict=True)):
            annotation = {
                **attributes,
                "image_id": 1,
                "category_id": category_ids.get(item.facts.class_name or "", UNCLASSED_ID),
                "segmentation": _segment(item.facts.outline, size),
                "area": attributes["area_px"],
                "iscrowd": 0,
                "score": item.facts.predicted_iou,
            }
            file.write((",\n" if index else "\n") + json.dumps(annotation, allow_nan=False))
        file.write('\n], "categories": ' + json.dumps(list(_list_categories(layer.classes, layer.objects))) + "}\n")


def _list_categories(classes: Sequence[ObjectClass], objects: Sequence[AnnotatedObject]) -> Iterator[dict[str, Any]]:
    for row in classes:
        yield {"id": row.id, "name": row.name, "supercategory": "", "color": list(read_colour(row.color))}
    if any(item.facts.class_name is None for item in objects):
        yield {"id": UNCLASSED_ID, "name": UNNAMED_CLASS, "supercategory": "", "color": list(UNCLASSED)}


def _segment(outline: shapely.MultiPolygon, size: tuple[int, int]) -> Any:
    """Return polygons, each part one flat list of x and y, or run lengths for an object with holes."""
    if any(polygon.interiors for polygon in outline.geoms):
        runs = list(_find_runs(outline, size))
        width, height = size
        return {"size": [height, width], "counts": count_runs(runs, width * height) if runs else [width * height]}
    return [
        np.round(shapely.get_coordinates(polygon.exterior)[:-1], COORDINATE_DIGITS).ravel().tolist()
        for polygon in outline.geoms
    ]


def _find_runs(outline: shapely.MultiPolygon, size: tuple[int, int]) -> Iterator[Runs]:
    """Yield runs, int64 (n, 2) of start and length in column-major order, for strips of columns of the object."""
    width, height = size
    left, top, right, bottom = outline.bounds
    first_row, end_row = max(int(np.floor(top)), 0), min(int(np.ceil(bottom)), height)
    first_col, end_col = max(int(np.floor(left)), 0), min(int(np.ceil(right)), width)
    if end_row <= first_row:
        return
    n_cols = max(1, STRIP_PX // (end_row - first_row))
    for col in range(first_col, end_col, n_cols):
        window = PixelWindow(col, first_row, min(n_cols, end_col - col), end_row - first_row)
        mask = _draw(outline, window)
        borders = np.diff(np.pad(mask.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        cols, starts = np.nonzero(borders == 1)
        _, ends = np.nonzero(borders == -1)
        if cols.size:
            yield np.stack([(cols + col) * height + starts + first_row, ends - starts], axis=1).astype(np.int64)


def _draw(outline: shapely.MultiPolygon, window: PixelWindow) -> NDArray[np.bool_]:
    """Return the pixels of a window whose centres lie in an outline, bool (H, W)."""
    drawn = rasterize(
        [outline],
        (window.height, window.width),
        transform=Affine.translation(window.col, window.row),
        dtype="uint8",
    )
    return np.asarray(drawn, dtype=np.bool_)
