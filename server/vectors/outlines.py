"""Outlines of single masks as GeoJSON, by the rules that whole results are written with."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from server.vectors.geojson import DIGITS, Feature, make_outline
from server.vectors.placement import Placement
from server.vectors.polygons import as_multipolygon


def outline_mask(
    mask: NDArray[np.bool_], corner_xy: tuple[float, float], scale_xy: tuple[float, float] = (1.0, 1.0)
) -> shapely.MultiPolygon:
    """Return the outline of a mask in pixels of its raster.

    Args:
        mask: bool (H, W), at least one pixel True.
        corner_xy: where its upper left corner lies in the raster.
        scale_xy: pixels of the raster per pixel of the mask.

    Returns:
        As `polygonise`: along the borders of pixels, holes and separate parts kept, valid.
    """
    to_raster = Affine.translation(*corner_xy) @ Affine.scale(*scale_xy)
    values = mask.astype(np.uint8)
    parts = []
    for geometry, _ in features.shapes(values, mask=mask, connectivity=4, transform=to_raster):
        outline, *holes = geometry["coordinates"]
        parts.append(shapely.Polygon(outline, holes))
    # Parts share no edge, so nothing has to be united; where rings touch at corners they may have to be split.
    whole = shapely.MultiPolygon(parts)
    return whole if whole.is_valid else as_multipolygon(shapely.make_valid(whole))


def make_feature(
    outline: shapely.MultiPolygon, placement: Placement, properties: dict[str, Any], digits: int = DIGITS
) -> Feature:
    """Return a GeoJSON feature in longitude and latitude, or pixels where the raster has no place on Earth.

    The geometry is valid; it is null where the raster's CRS has no place on Earth for one of its corners.

    Args:
        outline: in pixels.
        placement: of the raster.
        properties: of the feature.
        digits: coordinates are rounded to so many after the point.
    """
    placed = make_outline(shapely.transform(outline, placement.to_map), placement, digits)
    geometry = None
    if np.isfinite(shapely.get_coordinates(placed)).all():
        # Rounded coordinates may let a corner touch an edge.
        valid = placed if placed.is_valid else shapely.orient_polygons(as_multipolygon(shapely.make_valid(placed)))
        geometry = shapely.geometry.mapping(valid)
    return {"type": "Feature", "geometry": geometry, "properties": properties}
