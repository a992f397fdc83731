"""Annotation layers and files: import, download, and objects of the automatic result."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask import Blueprint, Response, g, request, send_file

from server.annotations.edits import LayerEdit
from server.annotations.promotion import read_automatic_objects
from server.clients.rasters import RasterEntry
from server.errors import BadParameter, WrongMoment
from server.routes.annotation_bodies import AnnotationDownloadQuery, ImportQuery, PromoteBody
from server.routes.annotation_layers import LAYER, answer_layer, place
from server.routes.annotation_prompts import submit_prompts
from server.routes.bodies import chosen_bands, read_body, read_query
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.job_answers import answer_job
from server.routes.rasters import find_raster
from server.routes.results import find_result
from server.routes.services import services
from server.routes.uploads import staged_files
from server.segmentation.many_prompts.placed import GivenPrompt, place_prompts
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS
from server.vectors.exchange import Layer, read_annotations, read_boxes, read_points, write_annotations
from server.vectors.placement import read_place

blueprint = Blueprint("annotation_files", __name__)
# format -> (file name ending, media type)
DOWNLOADS = {
    "gpkg": (".gpkg", "application/geopackage+sqlite3"),
    "geojson": (".geojson", "application/geo+json"),
    "shp": (".zip", "application/zip"),
    "fgb": (".fgb", "application/flatgeobuf"),
    "coco": ("_coco.json", "application/json"),
    "labels": ("_labels.tif", "image/tiff; application=geotiff"),
    "classes": ("_classes.tif", "image/tiff; application=geotiff"),
    "stac": ("_stac.json", "application/geo+json"),
}


@blueprint.post("/annotations/import")
@documented(
    Operation(
        {
            200: ("What the layer has, or the result of the job of the prompts.", "application/json"),
            202: ("Queued; follow `Location`.", "application/json"),
        },
        query=ImportQuery,
        upload="file",
    )
)
def import_annotations() -> Response:
    """Take objects from a file into the layer, or outline what its boxes or points show."""
    query = read_query(ImportQuery)
    entry = find_raster(query.raster)
    with services().rasters.reserve(current_client(), request.content_length or 0):
        staged = staged_files()
        if len(staged) > 1:
            raise BadParameter(f"{len(staged)} files arrived; expected one in the field `file`.", "file")
        if query.take_as != "objects":
            return _import_prompts(staged[0].path, entry, query)
        imported = read_annotations(staged[0].path, entry.source)
    state = services().annotations.apply(entry.id, LayerEdit("import", added=imported.objects), query.since)
    return answer_layer(state, place(entry), imported.notes)


def _import_prompts(file: Path, entry: RasterEntry, query: ImportQuery) -> Response:
    """Queue the job of the boxes or points of a file; `notes` in the answer say what was done with them."""
    found = (read_boxes if query.take_as == "boxes" else read_points)(file, entry.source)
    given = [GivenPrompt(*prompt) for prompt in zip(found.places, found.class_names, strict=True)]
    placed = place_prompts(given, "pixel", *read_place(entry.source), "file")
    bands = chosen_bands(query.r, query.g, query.b)
    record = submit_prompts(entry, placed, None if bands is None else list(bands), query.checkpoint)
    return answer_job(record, notes=list(found.notes))


@blueprint.post("/annotations/promote")
@documented(Operation(LAYER, body=PromoteBody))
def promote() -> Response:
    """Keep objects of the automatic result."""
    body = read_body(PromoteBody)
    entry = find_raster(body.raster)
    folder = find_result(entry, body.result_number)
    checkpoint = (entry.result or {}).get("checkpoint")
    objects = read_automatic_objects(folder / OBJECTS, folder / LABELS, body.ids, body.class_name, checkpoint)
    state = services().annotations.apply(entry.id, LayerEdit("promote", added=objects), body.since)
    return answer_layer(state, place(entry))


@blueprint.get("/annotations/download")
@documented(Operation({200: ("The layer as a file.", "application/octet-stream")}, query=AnnotationDownloadQuery))
def download_annotations() -> Response:
    """Send the accepted objects as vectors, COCO, rasters or a STAC item."""
    query = read_query(AnnotationDownloadQuery)
    entry = find_raster(query.raster)
    state = services().annotations.read(entry.id)
    if not state.objects:
        raise WrongMoment(f'"{entry.name}" has no accepted objects yet. Accept or import some first.', "raster")
    ending, media_type = DOWNLOADS[query.format]
    g.staging = Path(tempfile.mkdtemp(dir=services().staging_folder, prefix="download-"))
    target = g.staging / f"objects{ending}"
    write_annotations(target, query.format, Layer(state.objects, state.classes, entry.source, entry.name))
    name = f"{Path(entry.name).stem}_objects{ending}"
    return send_file(target, media_type, as_attachment=True, download_name=name, max_age=0)
