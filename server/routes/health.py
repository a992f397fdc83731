"""`/health`: is the server alive, and how busy is it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server import __version__
from server.routes.documentation import Operation, documented
from server.routes.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@documented(Operation({200: ("The server answers.", "application/json")}, is_open=True))
def health() -> Response:
    """Tell version, device and number of jobs without waking the network."""
    running, queued = services().queue.counts()
    return jsonify(
        status="ok",
        version=__version__,
        device=services().device_name(),
        jobs_running=running,
        jobs_queued=queued,
    )
