"""How large a pixel is on the ground, so that a network can be shown things at the size it was trained on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from server.errors import BadParameter
from server.rasters.coordinates import WGS84, project, read_georeference
from server.rasters.opening import open_raster

# Metres per degree of a great circle on the mean sphere; the ellipsoid differs by less than half a percent.
M_PER_DEGREE = 111_195.0


def read_pixel_size_m(path: Path, *, field: str = "resolution_m") -> float:
    """Return the side, in metres on the ground, of a square as large as the raster's central pixel.

    Measured between places on Earth, so that it also holds for degrees and for stretched projections such as Web
    Mercator.

    Raises:
        BadParameter: the raster has no place on Earth; names `field`.
    """
    with open_raster(path) as raster:
        place = read_georeference(raster)
        x, y = raster.width / 2, raster.height / 2
    degrees = None
    if place is not None and place.crs is not None:
        corner = np.array([[x, y], [x + 1, y], [x, y + 1]], dtype=np.float64)
        degrees = project(place.crs, WGS84, place.to_map(corner))
    if degrees is None:
        raise BadParameter(
            "A ground resolution in metres needs a raster with a coordinate reference system, and this one has none; "
            "leave the resolution empty, or upload a world file and a .prj first.",
            field,
        )
    along_row, along_col = (_to_metres(degrees[0], degrees[end]) for end in (1, 2))
    return float(math.sqrt(abs(along_row[0] * along_col[1] - along_row[1] * along_col[0])))


def _to_metres(start: np.ndarray, end: np.ndarray) -> tuple[float, float]:
    """Return the way between two places close to each other as metres to the east and to the north."""
    d_lon = (float(end[0] - start[0]) + 180.0) % 360.0 - 180.0
    return d_lon * M_PER_DEGREE * math.cos(math.radians(float(start[1]))), float(end[1] - start[1]) * M_PER_DEGREE
