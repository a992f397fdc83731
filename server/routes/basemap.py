"""`/basemap`: the operator's background map, if there is one."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.routes.documentation import Operation, documented
from server.routes.services import services

blueprint = Blueprint("basemap", __name__)


@blueprint.get("/basemap")
@documented(Operation({200: ("Address and attribution; null and empty for none.", "application/json")}))
def show_basemap() -> Response:
    """Tell where the background map comes from."""
    basemap = services().basemap
    return jsonify(url=basemap.url or None, attribution=basemap.attribution)
