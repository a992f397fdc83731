"""Boxes or points of a vector file, laid over georeferenced rasters whose CRS may be another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from server.datasets.detections.csv_tables import CLASS_COLUMNS, UNNAMED_CLASS
from server.datasets.detections.names import ImageNames
from server.datasets.detections.numbers import require_class
from server.datasets.detections.records import Detection, order_corners
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage
from server.datasets.polygon_layer import PolygonLayer, list_attributes, read_polygon_layer
from server.datasets.polygons import tell_crs
from server.datasets.refused import tell_left_out
from server.errors import NotARaster
from server.rasters.opening import open_raster
from server.vectors.placement import Placement, read_placement

N_CORNERS = 4


@dataclass(frozen=True)
class LaidOverDetections:
    """Implements `DetectionReader` with a vector file.

    Attributes:
        layer: what it holds.
        paths: rasters that it touches, by name.
        notes: see `DetectionReader`.
    """

    layer: PolygonLayer
    paths: Mapping[str, Path]
    notes: Sequence[str]

    @property
    def images(self) -> Sequence[str]:
        """See `DetectionReader`."""
        return tuple(self.paths)

    def read(self, image: SceneImage) -> Iterator[Detection]:
        """Carry what touches the raster into its pixels; see `DetectionReader`.

        Polygons that are no rectangles count by the smallest rotated rectangle around them.
        """
        with open_raster(image.path) as raster:
            placement = read_placement(raster)
        for number, outline in enumerate(self.layer.outlines_on(placement, image.size), start=1):
            source = f"{self.layer.path.name}, feature {number} of those on {image.path.name}"
            if outline.class_number < 1:
                raise BadDataset(f"{source} has no class; fill in its attribute.", "boxes")
            name = self.layer.class_names[outline.class_number - 1]
            corners = _find_corners(outline.geometry)
            yield Detection(image.name, name, corners, is_difficult=False, source=source)


def open_vector_file(path: Path, names: ImageNames, classes: Sequence[str] | None) -> LaidOverDetections:
    """Read boxes or points of a GeoJSON or GeoPackage file.

    Their class is in the first attribute among "class", "label" and "name" that there is; without one they are called
    "object".

    A raster that cannot be opened is left out with a note, as nobody knows whether anything lies on it.

    Raises:
        BadDataset: the file cannot be read or lies on none of the rasters, a raster has no place on Earth, or a class
            is not in the list.
    """
    known = list_attributes(path)
    attribute = next((column for column in CLASS_COLUMNS if column in known), None)
    layer = read_polygon_layer(path, attribute, UNNAMED_CLASS, with_points=True)
    for name in layer.class_names:
        require_class(name, classes, path.name)
    notes: dict[str, None] = {}  # in order, each once
    touched: dict[str, Path] = {}
    for key, image in names.images.items():
        try:
            with open_raster(image) as raster:
                placement, size = read_placement(raster), (raster.width, raster.height)
        except NotARaster as error:
            notes[tell_left_out(image.name, error.message)] = None
            continue
        _require_place(image, placement)
        if layer.outlines_on(placement, size):
            touched[key] = image
            notes.update(dict.fromkeys(tell_crs(layer, placement)))
    if not touched:
        raise BadDataset(
            f"Nothing in {path.name} lies on any of the rasters; check the CRS that each file claims to have.", "boxes"
        )
    return LaidOverDetections(layer, touched, [*notes, *names.tell_unlabelled(touched)])


def _require_place(path: Path, placement: Placement) -> None:
    if placement.georeference is None:
        raise BadDataset(
            f"{path.name} has no place on Earth, so boxes of a map cannot be laid over it; add a world file, or give "
            "boxes in pixels.",
            "images",
        )


def _find_corners(geometry: shapely.Geometry) -> NDArray[np.float64]:
    """Return the corners of a rectangle, of the smallest one around another shape, or a point."""
    if shapely.get_type_id(geometry) in (shapely.GeometryType.POINT, shapely.GeometryType.MULTIPOINT):
        return np.asarray(shapely.get_coordinates(geometry)[:1])
    points = shapely.get_coordinates(geometry)
    if len(points) == N_CORNERS + 1 and shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON:
        return order_corners(points[:N_CORNERS])
    around = shapely.get_coordinates(shapely.minimum_rotated_rectangle(geometry))
    return order_corners(around[:N_CORNERS])
