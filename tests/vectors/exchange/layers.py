"""Rasters that say in different ways, or not at all, where they lie, and objects on them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning

from server.vectors.annotated import AnnotatedObject, ObjectClass, ObjectFacts

WIDTH, HEIGHT = 60, 40
UTM = "EPSG:32650"
# name -> CRS and transform
SPACES: dict[str, tuple[str | None, Affine | None]] = {
    "north up": (UTM, Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000)),
    "south up": (UTM, Affine(0.5, 0, 500_000, 0, 0.5, 4_400_000)),
    "rotated": (UTM, Affine(0.4, 0.3, 500_000, 0.3, -0.4, 4_400_000)),
    "millimetres": (UTM, Affine(0.004, 0, 500_000, 0, -0.004, 4_400_000)),
    "geographic": ("EPSG:4326", Affine(5e-6, 0, 117, 0, -5e-6, 40)),
    "no CRS": (None, Affine(2, 0, 100, 0, -2, 50)),
    "nothing": (None, None),
}
CREATED, CHANGED = "2026-03-01T10:00:00+00:00", "2026-03-02T11:30:00+00:00"
CLASSES = (ObjectClass(1, "roof", "#ff0000"), ObjectClass(7, 'field & <"wood"> 田', "#00ff80"))
SUFFIXES = {"gpkg": ".gpkg", "geojson": ".geojson", "shp": ".zip", "fgb": ".fgb", "coco": ".json"}


CORNERS = [(0, 0, 10.0, 50.0), (0, 60, 10.06, 50.001), (40, 0, 9.999, 49.96), (40, 60, 10.058, 49.961)]
POINTS = [GroundControlPoint(row, col, x, y, 0.0) for row, col, x, y in CORNERS]


def write_raster(path: Path, crs: str | None, transform: Affine | None, **profile: object) -> Path:
    """Write a raster of 60 x 40 pixels without content."""
    place = {"transform": transform} if transform is not None else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        options = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 1, "dtype": "uint8", **profile}
        with rasterio.open(path, "w", crs=crs, **place, **options) as target:
            target.write(np.ones((1, HEIGHT, WIDTH), np.uint8))
    return path


def make_objects(facts: Sequence[ObjectFacts]) -> list[AnnotatedObject]:
    """Return objects with ids 1, 4, 7 ... and times."""
    return [AnnotatedObject(1 + 3 * at, 1, item, CREATED, CHANGED) for at, item in enumerate(facts)]


def make_sample() -> list[AnnotatedObject]:
    """Return a square ring, an object of two parts and no class, and a triangle off the pixels' grid."""
    ring = shapely.box(1, 1, 11, 11).difference(shapely.box(3, 3, 6, 6))
    facts = [
        ObjectFacts(shapely.MultiPolygon([ring]), "roof", "prompt", "embedded", 0.9, 0.75, (2.25, 4.5)),
        ObjectFacts(shapely.MultiPolygon([shapely.box(20, 20, 25, 30), shapely.box(28, 20, 30, 30)])),
        ObjectFacts(
            shapely.MultiPolygon([shapely.Polygon([(30.25, 2.5), (58.5, 10.125), (41, 19.75)])]),
            CLASSES[1].name,
            "imported",
        ),
    ]
    return make_objects(facts)
