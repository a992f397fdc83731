"""Jobs: look at them, cancel them, try them again."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from pydantic import Field

from server.jobs.records import format_time
from server.routes.bodies import Body, read_body
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.services import services

blueprint = Blueprint("jobs", __name__)


class RetryBody(Body):
    """`POST /jobs/{job}/retry`."""

    reason: str = Field(default="", max_length=200, description="Why; it is noted in the job's log.")


@blueprint.get("/jobs")
@documented(Operation({200: ("The client's jobs, latest first.", "application/json")}))
def list_jobs() -> Response:
    """List the client's jobs."""
    return jsonify(jobs=[record.to_json() for record in services().queue.list(current_client().id)])


@blueprint.get("/jobs/<job>")
@documented(Operation({200: ("State, progress, result, and a log of what happened so far.", "application/json")}))
def show_job(job: str) -> Response:
    """Tell how far a job is."""
    client, queue = current_client().id, services().queue
    record = queue.find(client, job)  # before the log, so that the log of a job that is over is whole
    log = [{"time": format_time(line["time"]), "text": line["text"]} for line in queue.read_log(client, job)]
    response = jsonify({**record.to_json(), "log": log})
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/jobs/<job>/retry")
@documented(Operation({202: ("The job waits again; follow it as before.", "application/json")}, body=RetryBody))
def retry_job(job: str) -> Response:
    """Try a job again that failed or was cancelled: the same request, going on from what was finished if it failed."""
    reason = " ".join(read_body(RetryBody).reason.split())
    client = current_client()
    raster_id = services().queue.find(client.id, job).request.get("raster_id")
    if raster_id is not None:
        services().rasters.get(client.id, raster_id)  # says at once that it is gone, not in a minute
    response = jsonify(services().queue.retry(client.id, job, reason).to_json())
    response.status_code = 202
    response.headers["Location"] = f"/jobs/{job}"
    return response


@blueprint.delete("/jobs/<job>")
@documented(Operation({200: ("The job is cancelled, or stops within moments.", "application/json")}))
def cancel_job(job: str) -> Response:
    """Cancel a job; it leaves no partial result."""
    return jsonify(services().queue.cancel(current_client().id, job).to_json())
