"""Polygons of a vector file, carried into the pixels of rasters that may have another CRS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyogrio import read_info
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import read
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from server.datasets.drawing import Outline
from server.datasets.errors import BadDataset
from server.datasets.scenes import list_names
from server.rasters.coordinates import Bounds, Points
from server.vectors.placement import Placement

POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON, shapely.GeometryType.GEOMETRYCOLLECTION)
POINTS = (shapely.GeometryType.POINT, shapely.GeometryType.MULTIPOINT)


@dataclass(frozen=True)
class PolygonLayer:
    """The polygons of one file, or the points where these were asked for, too.

    Attributes:
        path: the file; its first layer is used.
        crs: of its coordinates; None where it says none.
        class_names: of all polygons; None among values of the attribute is left out.
        geometries: shapely polygons or points (N,), valid.
        class_numbers: int32 (N,), from 1; -1 where the polygon has no class.
    """

    path: Path
    crs: CRS | None
    class_names: tuple[str, ...]
    geometries: NDArray[np.object_]
    class_numbers: NDArray[np.int32]

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Finds the polygons near a raster without carrying all of them into its pixels."""
        return shapely.STRtree(self.geometries)

    def outlines_on(self, placement: Placement, size: tuple[int, int]) -> list[Outline]:
        """Return the polygons that touch a raster of `size` (width, height), in its pixels."""
        back = _transformer(placement.crs, self.crs)
        around = shapely.box(*_carry_bounds(placement, size, back))
        near = np.sort(self.tree.query(around))
        there = _transformer(self.crs, placement.crs)
        # Vertices alone are carried: edges of labelled objects are short enough to stay straight in another CRS.
        in_pixels = shapely.transform(
            self.geometries[near], lambda points: placement.to_pixel(_transform(there, points))
        )
        touching = shapely.intersects(in_pixels, shapely.box(0, 0, *size))
        return [
            Outline(geometry, int(number))
            for geometry, number in zip(in_pixels[touching], self.class_numbers[near][touching], strict=True)
        ]

    def bounds_in(self, crs: CRS | None) -> Bounds:
        """Return left, bottom, right, top of all polygons in another CRS; None means their own."""
        left, bottom, right, top = shapely.total_bounds(self.geometries).tolist()
        transformer = _transformer(self.crs, crs)
        return (
            (left, bottom, right, top)
            if transformer is None
            else transformer.transform_bounds(left, bottom, right, top)
        )


def list_attributes(path: Path) -> list[str]:
    """Return the names of the attributes in the first layer of a vector file.

    Raises:
        BadDataset: the file cannot be read.
    """
    try:
        return [str(name) for name in read_info(path)["fields"]]
    except (DataSourceError, DataLayerError) as error:
        raise BadDataset(_tell_unreadable(path, error), "masks") from error


def read_polygon_layer(
    path: Path, class_attribute: str | None, class_name: str, *, with_points: bool = False
) -> PolygonLayer:
    """Read the first layer of a vector file.

    Args:
        path: GeoJSON, GeoPackage, Shapefile or FlatGeobuf.
        class_attribute: that names the class of each polygon; None makes them all `class_name`.
        class_name: see above.
        with_points: take points, too; otherwise they are left out.

    Raises:
        BadDataset: the file cannot be read, has no polygons or not that attribute.
    """
    try:
        meta, _, encoded, columns = read(path)
    except (DataSourceError, DataLayerError) as error:
        raise BadDataset(_tell_unreadable(path, error), "masks") from error
    geometries = shapely.make_valid(shapely.force_2d(shapely.from_wkb(encoded)))
    kinds = shapely.get_type_id(geometries)
    is_taken = np.isin(kinds, POLYGONS) & (shapely.area(geometries) > 0)
    if with_points:
        is_taken |= np.isin(kinds, POINTS)
    if not is_taken.any():
        wanted = "neither polygon nor point" if with_points else "no polygon"
        raise BadDataset(
            f"{path.name} holds {len(geometries)} features and {wanted}; draw the outline of every object.", "masks"
        )
    names = _read_names(path, meta["fields"].tolist(), columns, class_attribute)
    class_names = (class_name,) if names is None else tuple(sorted({name for name in names if name is not None}))
    if names is None:
        numbers = np.ones(len(geometries), np.int32)
    else:
        numbers = np.array([class_names.index(name) + 1 if name is not None else -1 for name in names], np.int32)
    return PolygonLayer(path, _read_crs(meta["crs"]), class_names, geometries[is_taken], numbers[is_taken])


def _tell_unreadable(path: Path, error: Exception) -> str:
    return (
        f"{path.name} cannot be read as a vector file ({error}); expected GeoJSON, GeoPackage, Shapefile or FlatGeobuf."
    )


def _read_names(
    path: Path, fields: list[str], columns: Sequence[NDArray[Any]], class_attribute: str | None
) -> list[str | None] | None:
    """Return the class of every polygon as text, None in it where there is none; None without an attribute."""
    if class_attribute is None:
        return None
    if class_attribute not in fields:
        raise BadDataset(
            f'The features of {path.name} have no attribute "{class_attribute}"; they have {list_names(fields)}.',
            "class_attribute",
        )
    values = columns[fields.index(class_attribute)].tolist()
    # Absent numbers arrive as NaN, which alone differs from itself.
    return [None if value is None or value != value else str(value) for value in values]


def _read_crs(text: str | None) -> CRS | None:
    try:
        return None if text is None else CRS.from_user_input(text)
    except CRSError:
        return None


def _transformer(source: CRS | None, target: CRS | None) -> Transformer | None:
    """Return the way from one CRS into another; None where both are the same or one is unknown."""
    if source is None or target is None or source.equals(target, ignore_axis_order=True):
        return None
    return Transformer.from_crs(source, target, always_xy=True)


def _transform(transformer: Transformer | None, points: Points) -> Points:
    if transformer is None:
        return points
    return np.stack(transformer.transform(points[:, 0], points[:, 1]), axis=1)


def _carry_bounds(placement: Placement, size: tuple[int, int], back: Transformer | None) -> Bounds:
    """Return the bounds of a raster of `size` (width, height) in the CRS of the polygons, along all its edges."""
    edge = np.linspace(0.0, 1.0, 21)
    near, far = np.zeros_like(edge), np.ones_like(edge)
    corners = np.stack([np.concatenate([edge, edge, near, far]), np.concatenate([near, far, edge, edge])], axis=1)
    points = _transform(back, placement.to_map(corners * np.array(size, np.float64)))
    (left, bottom), (right, top) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, bottom, right, top
