"""`/predict`: from clicks and boxes to ranked masks."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.routes.bodies import PredictBody, read_body
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.rasters import find_raster
from server.routes.segment_request import choose_bands, choose_checkpoint
from server.routes.services import services
from server.segmentation.prompting.answering import PromptedMask, PromptRequest
from server.segmentation.prompting.earlier_masks import Owner
from server.segmentation.prompting.prompts import GivenPrompts

blueprint = Blueprint("predict", __name__)


@blueprint.post("/predict")
@documented(Operation({200: ("Masks with outlines, best first.", "application/json")}, body=PredictBody))
def predict() -> Response:
    """Outline the object that points and a box show."""
    body = read_body(PredictBody)
    entry = find_raster(body.raster)
    request = PromptRequest(
        given=GivenPrompts(body.points, body.box, body.space),
        band_indexes=choose_bands(entry.source, body.rgb_index),
        owner=Owner(current_client().id, entry.id, choose_checkpoint(body.checkpoint)),
        previous=body.previous,
        multimask=body.multimask,
        keep=body.keep,
    )
    answer = services().predict(entry.source, request)
    return jsonify(masks=[_describe(mask) for mask in answer.masks], window=list(answer.window))


def _describe(mask: PromptedMask) -> dict[str, object]:
    return {
        "id": mask.id,
        "predicted_iou": mask.predicted_iou,
        "area_px": mask.area_px,
        "area_m2": mask.area_m2,
        "feature": mask.feature,
    }
