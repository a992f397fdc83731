"""Finished jobs shared by links that expire: made and withdrawn by their owner, opened by anyone who has one."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response, jsonify, url_for
from pydantic import Field

from server.clients.rasters import RasterEntry
from server.errors import NoSuchJob, NoSuchRaster, WrongMoment
from server.jobs.records import DONE, JobRecord, format_time
from server.routes.bodies import Body, Query, read_body, read_query
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.results import send_result
from server.routes.services import services

blueprint = Blueprint("shared_results", __name__)
MINUTE_S, DAY_S = 60, 24 * 3600


class ShareBody(Body):
    """`POST /jobs/{job}/share`."""

    expires_in_s: int = Field(
        default=7 * DAY_S, ge=MINUTE_S, le=90 * DAY_S, description="Seconds until the link leads nowhere."
    )


class SharedQuery(Query):
    """`GET /shared/{token}`."""

    format: Literal["tif", "gpkg", "geojson", "shp", "coco"] = "tif"


@blueprint.post("/jobs/<job>/share")
@documented(
    Operation(
        {201: ("The link's path on this server, told only now, and its end.", "application/json")}, body=ShareBody
    )
)
def share_job(job: str) -> Response:
    """Make a link to a finished job's result, for downloads by anyone who has it."""
    lifetime_s = read_body(ShareBody).expires_in_s
    record = services().queue.find(current_client().id, job)
    find_shared_raster(record)
    link = services().shares.share(record.job, lifetime_s)
    response = jsonify(
        url=url_for("shared_results.download_shared", token=link.token), expires=format_time(link.expires)
    )
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.delete("/jobs/<job>/share")
@documented(Operation({200: ("How many links were withdrawn.", "application/json")}))
def withdraw_links(job: str) -> Response:
    """Withdraw all links to a job's result."""
    record = services().queue.find(current_client().id, job)
    return jsonify(withdrawn=services().shares.withdraw(record.job))


@blueprint.get("/shared/<token>")
@documented(Operation({200: ("The result as a file.", "application/octet-stream")}, query=SharedQuery, is_open=True))
def download_shared(token: str) -> Response:
    """Send the result that a link leads to."""
    kind = read_query(SharedQuery).format
    try:
        entry = find_shared_raster(services().shares.find(token))
    except (NoSuchRaster, WrongMoment) as error:
        raise NoSuchJob("The result of this link is no more: its raster was deleted or segmented anew.") from error
    response = send_result(entry, kind)
    # The address is the key: it must not be told to other sites, nor kept by caches and search engines.
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def find_shared_raster(record: JobRecord) -> RasterEntry:
    """Return the raster whose latest result is that of a job.

    Raises:
        NoSuchRaster: the raster was deleted or replaced.
        WrongMoment: the job has made no result, or not the latest one.
    """
    if record.state != DONE or "raster_id" not in record.request:
        raise WrongMoment("Only a finished job with a result of its own can be shared.", "job")
    entry = services().rasters.get(record.client, record.request["raster_id"])
    if entry.result is None or entry.result.get("job") != record.job:
        raise WrongMoment("This job's result is not the latest one of its raster; share that one's job.", "job")
    return entry
