"""Objects of the automatic result: those that look like accepted ones, and their outlines."""

from __future__ import annotations

import shapely
from flask import Blueprint, Response, jsonify

from server.annotations.edits import SeenObject
from server.rasters.windows import check_window
from server.routes.annotation_bodies import ResultObjectsBody, SimilarBody
from server.routes.bodies import read_body
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.job_answers import answer_job
from server.routes.rasters import find_raster
from server.routes.results import find_result
from server.routes.segment_request import choose_bands, choose_checkpoint
from server.routes.services import services
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS
from server.vectors.geojson import read_features

blueprint = Blueprint("similar", __name__)


@blueprint.post("/annotations/similar")
@documented(
    Operation(
        {
            200: ("Ids of objects of the latest result, most alike first.", "application/json"),
            202: ("Queued; follow `Location`.", "application/json"),
        },
        body=SimilarBody,
    )
)
def find_similar_objects() -> Response:
    """Rank the objects of the automatic result by their likeness to accepted ones."""
    body = read_body(SimilarBody)
    entry = find_raster(body.raster)
    find_result(entry)
    examples = services().annotations.find(entry.id, [SeenObject(item.id, item.revision) for item in body.objects])
    request = {
        "raster_id": entry.id,
        "result_number": entry.n_results,
        "n_objects": (entry.result or {})["n_objects"],
        "examples": [shapely.to_wkb(item.facts.outline).hex() for item in examples],
        "band_indexes": list(choose_bands(entry.source, body.rgb_index)),
        "checkpoint": choose_checkpoint(body.checkpoint),
        "window": check_window(entry.source, body.window) if body.window is not None else None,
        "limit": body.limit,
    }
    record = services().queue.submit("similar", client=current_client().id, raster=entry.name, request=request)
    return answer_job(record)


@blueprint.post("/objects")
@documented(Operation({200: ("A GeoJSON FeatureCollection.", "application/geo+json")}, body=ResultObjectsBody))
def show_objects() -> Response:
    """Return objects of the latest result by their ids; ids that it does not have are left out."""
    body = read_body(ResultObjectsBody)
    folder = find_result(find_raster(body.raster), body.result_number)
    where = f"id IN ({', '.join(map(str, body.ids))})" if body.ids else "0"
    features = list(read_features(folder / OBJECTS, folder / LABELS, where))
    return jsonify(type="FeatureCollection", features=features)
