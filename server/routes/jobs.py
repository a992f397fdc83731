"""Jobs: look at them, cancel them."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.services import services

blueprint = Blueprint("jobs", __name__)


@blueprint.get("/jobs")
@documented(Operation({200: ("The client's jobs, latest first.", "application/json")}))
def list_jobs() -> Response:
    """List the client's jobs."""
    return jsonify(jobs=[record.to_json() for record in services().queue.list(current_client().id)])


@blueprint.get("/jobs/<job>")
@documented(Operation({200: ("State, progress and result.", "application/json")}))
def show_job(job: str) -> Response:
    """Tell how far a job is."""
    response = jsonify(services().queue.find(current_client().id, job).to_json())
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.delete("/jobs/<job>")
@documented(Operation({200: ("The job is cancelled, or stops within moments.", "application/json")}))
def cancel_job(job: str) -> Response:
    """Cancel a job; it leaves no partial result."""
    return jsonify(services().queue.cancel(current_client().id, job).to_json())
