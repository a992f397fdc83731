"""Annotations drawn into rasters: ids of objects, or classes with a colour table."""

from __future__ import annotations

from pathlib import Path

import shapely

from server.rasters.labels import LabelCanvas, Palette
from server.rasters.windows import plan_windows
from server.vectors.drawing import Drawing
from server.vectors.exchange.layer import Layer
from server.vectors.exchange.qgis_style import read_colour

# Whole blocks of the file, few enough pixels to keep memory small.
WINDOW_PX = 2048


def write_labels(target: Path, layer: Layer) -> None:
    """Write an int32 GeoTIFF of object ids, 0 where there is none, the size and place of the raster.

    A pixel belongs to the object that holds its centre, of several to the smallest; an object that holds no centre,
    or whose pixels all belong to smaller ones, is not in it.
    """
    with LabelCanvas(layer.raster, target.parent) as canvas:
        _draw(canvas, [(item.facts.outline, item.id) for item in layer.objects])
        canvas.write_cog(target)


def write_classes(target: Path, layer: Layer) -> None:
    """Write a uint8 GeoTIFF of class ids with the colours of the classes; objects without a class are not in it."""
    ids = {row.name: row.id for row in layer.classes}
    palette = Palette(
        {row.id: row.name for row in layer.classes}, {row.id: read_colour(row.color) for row in layer.classes}
    )
    found = [(item.facts.outline, ids.get(item.facts.class_name or "")) for item in layer.objects]
    with LabelCanvas(layer.raster, target.parent, palette) as canvas:
        _draw(canvas, [(outline, value) for outline, value in found if value is not None])
        canvas.write_cog(target)


def _draw(canvas: LabelCanvas, shapes: list[tuple[shapely.MultiPolygon, int]]) -> None:
    drawing = Drawing(shapes)
    for window in plan_windows(canvas.width, canvas.height, size=WINDOW_PX, overlap=0):
        if drawing.reaches(window):
            canvas.write(window, drawing.draw(window))
