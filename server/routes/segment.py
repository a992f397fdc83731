"""`/segment`: queue the job, answer at once or when it is done."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.routes.bodies import SegmentBody, read_body
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.job_answers import answer_job
from server.routes.rasters import find_raster
from server.routes.segment_request import make_job_request
from server.routes.services import services
from server.segmentation.parameters import PRESETS, describe_parameters

blueprint = Blueprint("segment", __name__)


def parameter_properties() -> dict[str, object]:
    """Return the JSON schema of each mask-generator parameter."""
    return {
        item["name"]: {key: item[key] for key in ("type", "default", "minimum", "maximum", "description")}
        for item in describe_parameters()
    }


@blueprint.get("/segment_parameters")
@documented(Operation({200: ("Bounds, defaults and presets.", "application/json")}))
def segment_parameters() -> Response:
    """Describe the mask generator's parameters and presets."""
    return jsonify(parameters=describe_parameters(), presets=PRESETS)


@blueprint.post("/segment")
@documented(
    Operation(
        {200: ("Finished.", "application/json"), 202: ("Queued; follow `Location`.", "application/json")},
        body=SegmentBody,
        extra_body_properties=parameter_properties,
    )
)
def segment() -> Response:
    """Segment everything in a raster, or one class that a checkpoint was fine-tuned for."""
    body = read_body(SegmentBody)
    entry = find_raster(body.raster)
    record = services().queue.submit(
        "segment", client=current_client().id, raster=entry.name, request=make_job_request(body, entry)
    )
    return answer_job(record)
