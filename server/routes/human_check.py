"""The human check: an arithmetic question drawn as an image."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template, request

from server.errors import BadParameter, NotHuman
from server.routes.bodies import AnswerBody, read_body
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client, renew_client
from server.routes.services import services

blueprint = Blueprint(
    "human_check", __name__, static_folder="static", static_url_path="/human_check_files", template_folder="templates"
)
LANGUAGES = ("en", "zh")


def render_question_page() -> Response:
    """Return the page that shows the question, in the language the browser prefers."""
    language = request.accept_languages.best_match(LANGUAGES) or "en"
    response = Response(render_template("human_check.html", language=language), content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/human_check")
@documented(Operation({200: ("The question.", "image/png")}))
def show_question() -> Response:
    """Draw the client's current question."""
    response = Response(services().human_check.question_png(current_client().id), content_type="image/png")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/human_check")
@documented(Operation({200: ("The answer is right.", "application/json")}, body=AnswerBody))
def answer_question() -> Response:
    """Judge an answer; a wrong one sets a new question and a growing delay."""
    body = read_body(AnswerBody)
    client = current_client()
    if body.another:
        services().human_check.new_question(client.id)
        return jsonify(human=False)
    if body.answer is None:
        raise BadParameter('Field "answer" is missing; expected the number the picture asks for.', "answer")
    if client.is_human:
        return jsonify(human=True)
    if not services().human_check.answer(client.id, body.answer):
        raise NotHuman("That is not the answer. A new question has been set; please try again.", "answer")
    renew_client()
    return jsonify(human=True)
