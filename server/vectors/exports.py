"""Hands the objects of a result out in the formats other programs read."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from pyogrio import read_info
from pyogrio.raw import read, write

from server.errors import BadParameter
from server.vectors.coco import write_coco
from server.vectors.geojson import read_features
from server.vectors.geopackage import CHUNK, LAYER, NO_CRS

FORMATS = ("gpkg", "geojson", "shp", "coco")
# A dBase column name has at most ten characters.
SHORT_NAMES = {"predicted_iou": "pred_iou", "stability_score": "stability"}


def export_objects(objects: Path, labels: Path, target: Path, kind: str) -> None:
    """Write the objects of a result to `target`.

    Args:
        objects: the GeoPackage by `write_objects`.
        labels: the label raster it was made from.
        target: the file to write; replaced where it exists.
        kind: "gpkg", "geojson", "shp" (a zip archive with all files of the Shapefile) or "coco".

    Raises:
        BadParameter: the kind is unknown.
    """
    if kind == "gpkg":
        shutil.copyfile(objects, target)
    elif kind == "geojson":
        _write_geojson(objects, labels, target)
    elif kind == "shp":
        _write_shapefile(objects, target)
    elif kind == "coco":
        write_coco(objects, labels, target)
    else:
        raise BadParameter(f'Unknown vector format "{kind[:80]}"; expected one of {", ".join(FORMATS)}.', "format")


def _write_geojson(objects: Path, labels: Path, target: Path) -> None:
    """Write RFC 7946 GeoJSON; without georeferencing the coordinates are pixels, x to the right, y down."""
    with target.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for index, feature in enumerate(read_features(objects, labels)):
            file.write((",\n" if index else "\n") + json.dumps(feature, ensure_ascii=False, allow_nan=False))
        file.write("\n]}\n")


def _write_shapefile(objects: Path, target: Path) -> None:
    """Write a zip archive with objects.shp, .shx, .dbf, .cpg and, where there is a CRS, .prj."""
    with tempfile.TemporaryDirectory(prefix="shapefile-", dir=target.parent) as scratch:
        _convert(objects, Path(scratch) / f"{LAYER}.shp")
        archive_shapefile(Path(scratch), target, has_crs=not _has_no_crs(objects))


def archive_shapefile(folder: Path, target: Path, *, has_crs: bool) -> None:
    """Zip the files of the one Shapefile in a folder; without a CRS the .prj, which would claim one, is left out."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            if has_crs or path.suffix != ".prj":
                archive.write(path, path.name)


def _convert(objects: Path, shapefile: Path) -> None:
    """Copy the layer chunk by chunk; the first chunk is written even when it is empty."""
    skipped = 0
    while True:
        meta, _, geometries, columns = read(objects, layer=LAYER, skip_features=skipped, max_features=CHUNK)
        if len(geometries) or not skipped:
            write(
                shapefile,
                geometries,
                columns,
                [SHORT_NAMES.get(name, name) for name in meta["fields"]],
                driver="ESRI Shapefile",
                geometry_type="MultiPolygon",
                crs=meta["crs"],
                encoding="UTF-8",
                append=shapefile.exists(),
                nan_as_null=True,
            )
        skipped += len(geometries)
        if len(geometries) < CHUNK:
            return


def _has_no_crs(objects: Path) -> bool:
    crs = read_info(objects, layer=LAYER)["crs"]
    return crs is None or crs.startswith(NO_CRS.rstrip("]"))
