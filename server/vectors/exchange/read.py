"""Reads objects out of a file that a person sends for a raster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from server.errors import BadParameter
from server.vectors.exchange.attributes import is_coordinate, read_facts
from server.vectors.exchange.class_names import find_class_names
from server.vectors.exchange.found import FIELD, FoundFeatures, RasterSpace, read_space
from server.vectors.exchange.gdal_reading import read_flatgeobuf, read_shapefile
from server.vectors.exchange.geopackage_reading import read_geopackage
from server.vectors.exchange.json_reading import read_json
from server.vectors.exchange.layer import ImportedExamples, ImportedObjects, ImportedPlaces
from server.vectors.exchange.placing import place_features
from server.vectors.exchange.placing_points import is_point, place_points
from server.vectors.exchange.recognition import recognise

TOO_THIN = "Left out, because they are thinner than a pixel"
LEAST_SIDE_PX = 1.0


def read_annotations(file: Path, raster: Path) -> ImportedObjects:
    """Read GeoJSON, GeoPackage, a zipped Shapefile, FlatGeobuf or COCO JSON, told by its content, not by its name.

    What `write_annotations` wrote comes back the same, within these limits:

    - always: corners to a millionth of a pixel, clicks to a hundredth; ids, times and the class table are new; text
      on one line of at most 200 characters; outlines inside the raster, which is where others are cut.
    - GeoJSON: corners to a thousandth of a pixel; an outline across the antimeridian gets corners there; one whose
      raster's CRS has no place on Earth for it is lost.
    - FlatGeobuf: the order of the objects.
    - Shapefile: numbers to 15 digits, text of at most 254 bytes.
    - COCO: an outline with holes to whole pixels.
    - rasters placed by control points: corners to a hundredth of a pixel, because the way back is an approximation.

    Args:
        file: in a folder where drafts may be kept beside it.
        raster: whose pixels the outlines are wanted in.

    Raises:
        BadParameter: the file is of another kind, broken, or holds no outline on the raster.
        TooLarge: it holds more than is read.
        NotARaster: the raster cannot be read.
    """
    space = read_space(raster)
    found = _read(file, space)
    placed = place_features(found, space)
    _check_any(placed.outlines, "outline", placed.notes)
    rows = [found.rows[index] for index in placed.indexes]
    names, notes = find_class_names(rows)
    objects = [read_facts(*facts) for facts in zip(placed.outlines, rows, names, strict=True)]
    return ImportedObjects(objects, [*found.notes, *placed.notes, *notes])


def read_boxes(file: Path, raster: Path) -> ImportedPlaces:
    """Read the boxes around the outlines of a file, and those that COCO has instead of an outline.

    See `read_annotations` for everything else.
    """
    space = read_space(raster)
    found = _read(file, space)
    if found.in_pixels:
        found = replace(found, geometries=list(map(_outline_or_box, found.geometries, found.rows)))
    placed = place_features(found, space)
    bounds = shapely.bounds(np.array(placed.outlines, dtype=object)).reshape(-1, 4)
    is_wide = (bounds[:, 2:] - bounds[:, :2]).min(axis=1) >= LEAST_SIDE_PX
    n_thin = int((~is_wide).sum())
    notes = [*placed.notes, *([f"{TOO_THIN}: {n_thin:,}."] if n_thin else [])]
    indexes = np.array(placed.indexes, np.int64)[is_wide]
    return _name_places("outline", bounds[is_wide], found, indexes, notes)


def read_points(file: Path, raster: Path) -> ImportedPlaces:
    """Read the points of a file, and one inside each of its outlines; see `read_annotations` for everything else."""
    space = read_space(raster)
    found = _read(file, space)
    points = place_points(found, space)
    # What is a point is none of the outlines that cannot be read.
    outlines = np.flatnonzero(~is_point(found))
    placed = place_features(_choose(found, outlines.tolist()), space)
    inside = shapely.get_coordinates(shapely.point_on_surface(np.array(placed.outlines, dtype=object)))
    indexes = [*points.indexes, *(outlines[index] for index in placed.indexes)]
    order = np.argsort(indexes, kind="stable")
    places = np.concatenate([points.points_xy, inside])[order]
    notes = dict.fromkeys([*points.notes, *placed.notes])
    return _name_places("point or outline", places, found, np.array(indexes, np.int64)[order], notes)


def read_examples(file: Path, raster: Path) -> ImportedExamples:
    """Read the points and outlines of a file with their classes; see `read_annotations` for everything else."""
    space = read_space(raster)
    found = _read(file, space)
    points = place_points(found, space)
    # What is a point is none of the outlines that cannot be read.
    others = np.flatnonzero(~is_point(found)).tolist()
    placed = place_features(_choose(found, others), space)
    shapes = [*map(shapely.Point, points.points_xy.tolist()), *placed.outlines]
    indexes = [*points.indexes, *(others[index] for index in placed.indexes)]
    notes = list(dict.fromkeys([*found.notes, *points.notes, *placed.notes]))
    _check_any(shapes, "point or outline", notes)
    names, more = find_class_names([found.rows[index] for index in indexes])
    return ImportedExamples(shapes, names, [*notes, *more])


def _outline_or_box(outline: shapely.Geometry | None, row: Mapping[str, Any]) -> shapely.Geometry | None:
    """Return the outline; without one the box x, y, width, height among the attributes, None where there is none."""
    box = row.get("bbox")
    if outline is not None or not isinstance(box, list) or len(box) != 4:
        return outline
    if not all(is_coordinate(number) for number in box):
        return None
    x, y, width, height = box
    return shapely.box(x, y, x + width, y + height)


def _name_places(
    what: str, places: NDArray[np.float64], found: FoundFeatures, indexes: NDArray[np.int64], notes: Iterable[str]
) -> ImportedPlaces:
    """Return places with the classes of the features they come from."""
    _check_any(places, what, notes)
    names, more = find_class_names([found.rows[index] for index in indexes.tolist()])
    return ImportedPlaces([tuple(place) for place in places.tolist()], names, [*found.notes, *notes, *more])


def _choose(found: FoundFeatures, indexes: Sequence[int]) -> FoundFeatures:
    return replace(
        found,
        geometries=[found.geometries[index] for index in indexes],
        rows=[found.rows[index] for index in indexes],
    )


def _check_any(places: Sized, what: str, notes: Iterable[str]) -> None:
    if not len(places):
        reasons = " ".join(notes) or "It holds no features."
        raise BadParameter(f"The file holds no {what} on this raster. {reasons}", FIELD)


def _read(file: Path, space: RasterSpace) -> FoundFeatures:
    kind = recognise(file)
    if kind == "json":
        return read_json(file, space)
    readers = {"geopackage": read_geopackage, "flatgeobuf": read_flatgeobuf, "zip": read_shapefile}
    return readers[kind](file)
