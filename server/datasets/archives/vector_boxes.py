"""Takes boxes out of a stranger's vector file with readers that can do nothing else, before GDAL gets to see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from pyogrio.raw import write

from server.datasets.errors import BadDataset
from server.vectors.exchange.class_names import find_class_names
from server.vectors.exchange.found import FoundFeatures, read_space
from server.vectors.exchange.gdal_reading import read_flatgeobuf
from server.vectors.exchange.geopackage_reading import read_geopackage
from server.vectors.exchange.json_reading import read_json
from server.vectors.exchange.recognition import recognise

CLASS_ATTRIBUTE = "class"


def copy_vector_boxes(source: Path, image: Path, folder: Path) -> Path:
    """Write the geometries of a vector file and their classes, and nothing else of it, as a GeoPackage.

    GDAL would follow what a file of another kind than its name says tells it to open.

    Args:
        source: GeoJSON, GeoPackage or FlatGeobuf.
        image: any raster that the boxes are about.
        folder: gets the file, which is named like the source; made if absent.

    Raises:
        BadParameter: the file is of another kind, or broken.
        BadDataset: its coordinates have no place on Earth, or it holds nothing.
        TooLarge: it holds more than is read.
        NotARaster: the image cannot be read.
    """
    found = _read(source, image)
    if found.in_pixels or found.crs is None:
        raise BadDataset(
            f"{source.name} does not say where on Earth its boxes are; expected GeoJSON in longitude and latitude, or "
            "a GeoPackage or FlatGeobuf with a CRS.",
            "format",
        )
    kept = [index for index, geometry in enumerate(found.geometries) if geometry is not None]
    if not kept:
        raise BadDataset(f"{source.name} holds neither polygon nor point; draw the box of every object.", "format")
    names, _ = find_class_names([found.rows[index] for index in kept])
    has_classes = any(name is not None for name in names)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{source.stem}.gpkg"
    target.unlink(missing_ok=True)
    write(
        target,
        geometry=shapely.to_wkb(np.array([found.geometries[index] for index in kept], dtype=object)),
        field_data=[np.array(names, dtype=object)] if has_classes else [],
        fields=[CLASS_ATTRIBUTE] if has_classes else [],
        crs=found.crs.to_wkt(),
        geometry_type="Unknown",
        driver="GPKG",
    )
    return target


def _read(source: Path, image: Path) -> FoundFeatures:
    kind = recognise(source)
    if kind == "json":
        return read_json(source, read_space(image))
    if kind == "geopackage":
        return read_geopackage(source)
    if kind == "flatgeobuf":
        return read_flatgeobuf(source)
    raise BadDataset(f"{source.name} is an archive of its own; pack the file itself.", "format")
