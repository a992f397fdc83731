"""What every reader of a file hands on, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.vectors.placement import Placement, read_placement

FIELD = "file"
# What a layer holds; more features cannot be kept.
MAX_FEATURES = 100_000
MAX_CORNERS = 100_000
MAX_TOTAL_CORNERS = 20_000_000


@dataclass(frozen=True)
class RasterSpace:
    """Where the pixels of a raster lie.

    Attributes:
        placement: of the raster.
        width: in pixels.
        height: in pixels.
    """

    placement: Placement
    width: int
    height: int


@dataclass(frozen=True)
class FoundFeatures:
    """The features of one file.

    Attributes:
        geometries: (N,), of any type; None where a feature has none or a broken one.
        rows: N attributes by name.
        crs: of the geometries; None where the file says none.
        in_pixels: the geometries are pixels of the raster, whatever its CRS.
        notes: sentences about the file.
    """

    geometries: Sequence[shapely.Geometry | None]
    rows: Sequence[Mapping[str, Any]]
    crs: CRS | None = None
    in_pixels: bool = False
    notes: Sequence[str] = field(default_factory=tuple)


def read_space(raster: Path) -> RasterSpace:
    """Return where the pixels of a raster lie."""
    with open_raster(raster) as opened:
        return RasterSpace(read_placement(opened), opened.width, opened.height)


def check_count(n_features: int) -> None:
    """Refuse a file with more features than a layer holds.

    Raises:
        BadParameter: there are too many.
    """
    if n_features > MAX_FEATURES:
        raise BadParameter(
            f"The file holds more than {MAX_FEATURES:,} features, the most that a layer takes; cut it to the area of "
            "the raster.",
            FIELD,
        )


def read_wkt(text: str) -> CRS | None:
    """Return the CRS of a text in WKT; None where it is none or stands for an undefined one."""
    try:
        crs = CRS.from_wkt(text)
    except CRSError:
        return None
    return None if crs.name.lower().startswith(("undefined", "unknown engineering")) else crs


def read_code(authority: str, code: str) -> CRS | None:
    """Return the CRS of a code such as "EPSG", "32650"; None where there is no such code."""
    try:
        return CRS.from_authority(authority.upper(), code)
    except CRSError:
        return None
