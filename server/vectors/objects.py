"""Finds the object at a place of a result."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np

from server.rasters.labels import read_label_at
from server.rasters.opening import open_raster
from server.vectors.geojson import read_features
from server.vectors.placement import read_placement


def find_object(
    labels: Path, objects: Path, x: float, y: float, *, space: Literal["pixel", "map"] = "map"
) -> dict[str, Any] | None:
    """Return the object at a place as a GeoJSON feature.

    Args:
        labels: the label raster.
        objects: the GeoPackage that belongs to it.
        x: longitude with space "map", else pixels from the left border.
        y: latitude with space "map", else pixels from the upper border.
        space: "map" also takes pixels where the raster has no place on Earth.

    Returns:
        The feature, or None for background and for places outside the raster.
    """
    pixel = np.array([[x, y]], dtype=np.float64)
    with open_raster(labels) as raster:
        if space == "map":
            placement = read_placement(raster)
            if placement.is_georeferenced:
                on_map = placement.from_lonlat(pixel)
                if not np.isfinite(on_map).all():
                    return None
                pixel = placement.to_pixel(on_map)
        col, row = pixel[0]
        if not (0 <= col < raster.width and 0 <= row < raster.height):  # false for NaN too
            return None
    object_id = read_label_at(labels, math.floor(col), math.floor(row))
    return next(read_features(objects, labels, where=f"id = {object_id}"), None) if object_id else None
