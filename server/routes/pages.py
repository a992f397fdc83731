"""The start page, the built single-page app and its files."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, send_from_directory

from server.routes.guards import current_client
from server.routes.human_check import render_question_page
from server.routes.services import services

blueprint = Blueprint("pages", __name__)
YEAR_S = 365 * 24 * 3600


@blueprint.get("/")
def index() -> Response:
    """Serve the app to a known client, the human-check page to a new one."""
    if not current_client().is_human:
        return render_question_page()
    folder = services().page_folder
    if not (folder / "index.html").is_file():
        return Response(render_template("not_built.html"), status=503, content_type="text/html; charset=utf-8")
    response = send_from_directory(folder, "index.html")
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/assets/<path:name>")
def asset(name: str) -> Response:
    """Serve a file whose name carries the hash of its content, so that it may be kept for good."""
    response = send_from_directory(services().page_folder / "assets", name, max_age=YEAR_S)
    response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return response


@blueprint.get("/favicon.svg")
def icon() -> Response:
    """Serve the product's icon."""
    return send_from_directory(services().page_folder, "favicon.svg")
