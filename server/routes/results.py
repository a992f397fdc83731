"""The latest result of a raster: picture, objects, downloads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from flask import Blueprint, Response, jsonify, send_file

from server.clients.rasters import RasterEntry
from server.errors import WrongMoment
from server.rasters.preview import SHOW_ALL, LabelFilter, render_label_preview
from server.routes.bodies import DownloadQuery, MaskPreviewQuery, ObjectQuery, ShownClasses, read_query
from server.routes.documentation import Operation, documented
from server.routes.rasters import find_raster
from server.routes.services import services
from server.segmentation.class_mode.class_areas import CLASSES, PROBABILITY
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS
from server.vectors.exports import export_objects
from server.vectors.objects import find_object

blueprint = Blueprint("results", __name__)
# format -> (file name ending, media type)
DOWNLOADS = {
    "tif": (".tif", "image/tiff"),
    "gpkg": (".gpkg", "application/geopackage+sqlite3"),
    "geojson": (".geojson", "application/geo+json"),
    "shp": (".zip", "application/zip"),
    "coco": (".json", "application/json"),
}


def find_shown(raster: str | None, query: ShownClasses) -> tuple[Path, LabelFilter]:
    """Return the raster that shows a result, its classes or else its labels, and what of it is not shown.

    Raises:
        NoSuchRaster: there is no such raster.
        WrongMoment: it has not been segmented yet.
    """
    folder = find_result(find_raster(raster))
    if not (folder / CLASSES).exists():
        return folder / LABELS, SHOW_ALL
    return folder / CLASSES, LabelFilter(folder / PROBABILITY, 100 * query.min_probability, query.hidden_ids)


def find_result(entry: RasterEntry, number: int | None = None) -> Path:
    """Return the folder of a raster's latest result.

    Raises:
        WrongMoment: it has not been segmented yet, or its latest result has another number than the one meant.
    """
    if entry.result is None:
        raise WrongMoment(f'"{entry.name}" has no result yet. Segment it first (POST /segment).', "raster")
    if number not in (None, entry.n_results):
        raise WrongMoment(
            f'"{entry.name}" has been segmented anew, and ids mean other objects now. Look again.', "result_number"
        )
    return services().rasters.result_folder(entry)


@blueprint.get("/preview_mask")
@documented(Operation({200: ("The objects, background transparent.", "image/png")}, query=MaskPreviewQuery))
def preview_mask() -> Response:
    """Draw the classes of a result, or its objects; their colour is a fixed function of the id."""
    query = read_query(MaskPreviewQuery)
    path, shown = find_shown(query.raster, query)
    picture = render_label_preview(path, max_size=query.max_size, alpha=query.alpha, shown=shown)
    return Response(picture, content_type="image/png")


@blueprint.get("/object")
@documented(Operation({200: ("The object at a place, or null.", "application/json")}, query=ObjectQuery))
def show_object() -> Response:
    """Find the object at a place of the result."""
    query = read_query(ObjectQuery)
    folder = find_result(find_raster(query.raster))
    feature = find_object(folder / LABELS, folder / OBJECTS, query.x, query.y, space=query.space)
    return jsonify(feature=feature)


@blueprint.get("/download")
@documented(Operation({200: ("The result as a file.", "application/octet-stream")}, query=DownloadQuery))
def download() -> Response:
    """Send the result as GeoTIFF, its classes or else its labels, or as vectors."""
    query = read_query(DownloadQuery)
    return send_result(find_raster(query.raster), query.format)


def send_result(entry: RasterEntry, kind: str) -> Response:
    """Return the latest result of a raster as a file of one of the `DOWNLOADS`.

    Raises:
        WrongMoment: it has not been segmented yet.
    """
    folder = find_result(entry)
    ending, media_type = DOWNLOADS[kind]
    name = Path(str((entry.result or {}).get("out_raster", "result.tif"))).stem + ending
    return send_file(_make_file(folder, kind), media_type, as_attachment=True, download_name=name, max_age=0)


def _make_file(folder: Path, kind: str) -> Path:
    """Return the file to send; other vector formats are written on first demand and kept beside the result."""
    if kind == "tif":
        return folder / CLASSES if (folder / CLASSES).exists() else folder / LABELS
    if kind == "gpkg":
        return folder / OBJECTS
    target = folder / f"export{DOWNLOADS[kind][0]}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder, prefix="export-") as scratch:
            draft = Path(scratch) / target.name
            export_objects(folder / OBJECTS, folder / LABELS, draft, kind)
            os.replace(draft, target)  # noqa: PTH105 - atomic on every system, Path.rename is not on Windows
    return target
