"""Writes an annotation layer in any of the formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server.errors import BadParameter
from server.vectors.exchange.coco_file import write_coco
from server.vectors.exchange.drawn import write_classes, write_labels
from server.vectors.exchange.geojson_file import write_geojson
from server.vectors.exchange.layer import Layer
from server.vectors.exchange.stac import write_stac
from server.vectors.exchange.tables import write_flatgeobuf, write_geopackage, write_shapefile

WRITERS: dict[str, Callable[[Path, Layer], None]] = {
    "gpkg": write_geopackage,
    "geojson": write_geojson,
    "shp": write_shapefile,
    "fgb": write_flatgeobuf,
    "coco": write_coco,
    "labels": write_labels,
    "classes": write_classes,
    "stac": write_stac,
}


def write_annotations(target: Path, kind: str, layer: Layer) -> None:
    """Write a layer to a file.

    Args:
        target: the file; replaced where it exists. A Shapefile becomes a zip archive. Its name needs the usual ending,
            and its folder room for drafts.
        kind: one of `WRITERS`: "labels" is an int32 GeoTIFF of object ids, "classes" a uint8 one with a colour table,
            "stac" a STAC item, the others hold the objects with their attributes.
        layer: may be without objects.

    Raises:
        BadParameter: the kind is unknown.
        NotARaster: the raster of the layer cannot be read.
    """
    writer = WRITERS.get(kind)
    if writer is None:
        raise BadParameter(f'Unknown format "{kind[:80]}"; expected one of {", ".join(WRITERS)}.', "format")
    writer(target, layer)
