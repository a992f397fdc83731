"""Reads objects out of a file that a person sends for a raster."""

from __future__ import annotations

from pathlib import Path

from server.errors import BadParameter
from server.vectors.exchange.attributes import read_facts
from server.vectors.exchange.class_names import find_class_names
from server.vectors.exchange.found import FIELD, FoundFeatures, RasterSpace, read_space
from server.vectors.exchange.gdal_reading import read_flatgeobuf, read_shapefile
from server.vectors.exchange.geopackage_reading import read_geopackage
from server.vectors.exchange.json_reading import read_json
from server.vectors.exchange.layer import ImportedObjects
from server.vectors.exchange.placing import place_features
from server.vectors.exchange.recognition import recognise


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
    if not placed.outlines:
        reasons = " ".join(placed.notes) or "It holds no features."
        raise BadParameter(f"The file holds no outline on this raster. {reasons}", FIELD)
    rows = [found.rows[index] for index in placed.indexes]
    names, notes = find_class_names(rows)
    objects = [read_facts(*facts) for facts in zip(placed.outlines, rows, names, strict=True)]
    return ImportedObjects(objects, [*found.notes, *placed.notes, *notes])


def _read(file: Path, space: RasterSpace) -> FoundFeatures:
    kind = recognise(file)
    if kind == "json":
        return read_json(file, space)
    readers = {"geopackage": read_geopackage, "flatgeobuf": read_flatgeobuf, "zip": read_shapefile}
    return readers[kind](file)
