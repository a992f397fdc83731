"""Review of a dataset: objects with the lowest scores first, their pictures, decisions and corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify

from server.datasets.review.objects import Choice
from server.datasets.review.reviewing import AskClicks
from server.errors import BadParameter
from server.rasters.look import default_band_indexes
from server.routes.bodies import read_body, read_query
from server.routes.datasets import find_dataset, find_review
from server.routes.datasets_bodies import DecisionBody, ObjectsQuery, PictureQuery
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.services import services
from server.segmentation.prompting.answering import PromptRequest
from server.segmentation.prompting.earlier_masks import Owner
from server.segmentation.prompting.prompts import GivenPrompts

blueprint = Blueprint("datasets_review", __name__)
OBJECTS = {200: ("Objects, and how many there are of this kind.", "application/json")}
PICTURE = {200: ("The image around the object; `view` in the list of objects tells which part.", "image/png")}
DECIDED = {200: ("The object as it is now, and how far the review is.", "application/json")}


@blueprint.get("/datasets/<dataset>/objects")
@documented(Operation(OBJECTS, query=ObjectsQuery))
def list_dataset_objects(dataset: str) -> Response:
    """List objects of a finished dataset, page by page."""
    query = read_query(ObjectsQuery)
    review = find_review(find_dataset(dataset))
    choice = Choice(
        state=None if query.state == "all" else query.state,
        passed=query.gate == "passed",
        class_name=query.class_name,
        order=query.order,
        offset=query.offset,
        limit=query.limit,
    )
    total, objects = review.objects.page(choice)
    response = jsonify(total=total, objects=review.describe(objects))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/datasets/<dataset>/objects/<int:number>/picture")
@documented(Operation(PICTURE, query=PictureQuery))
def show_dataset_object(dataset: str, number: int) -> Response:
    """Draw an object: the image around it, its mask's outline, its box."""
    query = read_query(PictureQuery)
    picture = find_review(find_dataset(dataset)).draw(number, is_outlined=query.outline)
    return Response(picture, content_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@blueprint.post("/datasets/<dataset>/objects/<int:number>")
@documented(Operation(DECIDED, body=DecisionBody))
def decide_dataset_object(dataset: str, number: int) -> Response:
    """Accept or reject an object, take that back, or correct its mask with clicks."""
    body = read_body(DecisionBody)
    entry = find_dataset(dataset)
    review = find_review(entry)
    if (body.state is None) == (body.points is None):
        raise BadParameter('Give either "state" or "points".', "state")
    if body.points is not None:
        ask = _make_asker(entry.id, str(entry.options["checkpoint"]))
        found = review.correct(number, body.points, ask)
    else:
        found = review.objects.decide(number, body.state or "open")
    return jsonify(object=review.describe([found])[0], review=review.objects.measure().to_json())


def _make_asker(dataset_id: str, checkpoint: str) -> AskClicks:
    """Return what asks the network that built the dataset, before all jobs, as `/predict` does."""
    owner = Owner(current_client().id, dataset_id, checkpoint)

    def ask(image: Path, given: GivenPrompts) -> tuple[dict[str, Any], float] | None:
        request = PromptRequest(given, default_band_indexes(image), owner, multimask=False, keep=False)
        masks = services().predict(image, request).masks
        return (dict(masks[0].feature), masks[0].predicted_iou) if masks else None

    return ask
