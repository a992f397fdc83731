"""`/classify` and `/vocabulary`: classes for every pixel, found by words or by example."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.routes.bodies import read_body
from server.routes.classify_body import MAX_CLASSIFY_BYTES, ClassifyBody
from server.routes.classify_request import hide_folder, make_classify_request
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.job_answers import answer_job
from server.routes.rasters import find_raster
from server.routes.services import services
from server.vocabulary.clip_files import explain_missing_words, list_models
from server.vocabulary.service import describe_presets

blueprint = Blueprint("vocabulary", __name__)


@blueprint.get("/vocabulary")
@documented(Operation({200: ("Class lists of data sets, and whether words are understood.", "application/json")}))
def vocabulary() -> Response:
    """Tell which class lists there are, and whether classes can be found by words."""
    folder = services().checkpoint_folder
    missing = explain_missing_words(folder)
    return jsonify(
        text_available=missing is None,
        text_models=list_models(folder),
        how=None if missing is None else hide_folder(missing),
        presets=describe_presets(),
    )


@blueprint.post("/classify")
@documented(
    Operation(
        {
            200: ("Finished: pixels and area of each class.", "application/json"),
            202: ("Queued; follow `Location`.", "application/json"),
        },
        body=ClassifyBody,
    )
)
def classify() -> Response:
    """Give every pixel of a raster a class, by words or by example."""
    body = read_body(ClassifyBody, MAX_CLASSIFY_BYTES)
    entry = find_raster(body.raster)
    record = services().queue.submit(
        "classify", client=current_client().id, raster=entry.name, request=make_classify_request(body, entry)
    )
    return answer_job(record)
