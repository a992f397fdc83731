"""`/openapi.json`: the contract, generated from the views themselves."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from server.routes.documentation import Operation, describe, documented

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@documented(Operation({200: ("The OpenAPI document.", "application/json")}, is_open=True))
def openapi() -> Response:
    """Describe every route of this server."""
    return jsonify(describe(current_app))
