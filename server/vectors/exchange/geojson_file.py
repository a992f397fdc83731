"""Annotations as GeoJSON (RFC 7946) with as many digits as the raster's pixels need to come back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from server.rasters.opening import open_raster
from server.vectors.batches import write_geometries
from server.vectors.exchange.attributes import list_attributes
from server.vectors.exchange.layer import Layer
from server.vectors.geojson import DIGITS
from server.vectors.placement import Placement, read_placement

# Rounding moves a corner by less than a thousandth of a pixel, also where pixels are millimetres.
PIXEL_SHARE = 1e-3
# Degrees with more digits than this are beyond what 64 bits hold.
MAX_DIGITS = 13


def write_geojson(target: Path, layer: Layer) -> None:
    """Write features in longitude and latitude; in pixels, x to the right, y down, without a place on Earth.

    The member "space" ("lonlat" or "pixel") tells which; an outline without a place in degrees has no geometry.
    """
    with open_raster(layer.raster) as raster:
        placement = read_placement(raster)
        centre = (raster.width / 2, raster.height / 2)
    digits = choose_digits(placement, centre)
    space = "lonlat" if placement.is_georeferenced else "pixel"
    with target.open("w", encoding="utf-8") as file:
        file.write(f'{{"type": "FeatureCollection", "space": "{space}", "features": [')
        rows = list_attributes(layer.objects, placement)
        geometries = write_geometries([item.facts.outline for item in layer.objects], placement, digits)
        for index, (row, geometry) in enumerate(zip(rows, geometries, strict=True)):
            properties = json.dumps(row, allow_nan=False)
            file.write(",\n" if index else "\n")
            file.write(f'{{"type": "Feature", "id": {row["id"]}, "geometry": {geometry or "null"}, ')
            file.write(f'"properties": {properties}}}')
        file.write("\n]}\n")


def choose_digits(placement: Placement, centre_xy: tuple[float, float]) -> int:
    """Return how many digits after the point keep pixels apart; never fewer than RFC 7946 recommends."""
    if not placement.is_georeferenced:
        return DIGITS
    x, y = centre_xy
    corner = np.array([[x, y], [x + 1, y], [x, y + 1]])
    degrees = placement.to_lonlat(placement.to_map(corner))
    step = float(np.hypot(*(degrees[1:] - degrees[0]).T).min())
    if not math.isfinite(step) or step <= 0:
        return DIGITS
    return min(max(math.ceil(-math.log10(step * PIXEL_SHARE)), DIGITS), MAX_DIGITS)
