"""`/operator`: one page that tells the operator how the service is doing; no script, nothing to press."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, render_template, request

from server import __version__
from server.jobs.records import JobRecord
from server.jobs.workers import WorkerRecord
from server.observability.context import shorten_id
from server.observability.machine import read_disk, read_memory
from server.routes.documentation import Operation, documented
from server.routes.operator_access import require_operator
from server.routes.services import Services, services

blueprint = Blueprint("operator", __name__, template_folder="templates")
LANGUAGES = ("en", "zh")
N_CLIENTS, N_JOBS = 20, 20
# An example of how slow requests are for those who wait longest: 95 of 100 are answered sooner.
SHOWN_SHARES = {"half": 0.5, "most": 0.95}


@blueprint.get("/operator")
@documented(Operation({200: ("The page, with the operator's token.", "text/html")}, is_open=True))
def operator_page() -> Response:
    """Show jobs, disk, memory, GPUs, caches and who uses what."""
    require_operator(services().operator.token)
    language = request.accept_languages.best_match(LANGUAGES) or "en"
    page = render_template("operator.html", language=language, **_collect(services()))
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def _collect(here: Services) -> dict[str, Any]:
    measures, operator = here.measures, here.operator
    return {
        "version": __version__,
        "now": _format_time(datetime.now(UTC).timestamp()),
        "is_draining": here.drain.is_on,
        "device": here.device_name(),
        "states": operator.jobs.count_states(),
        "disk": read_disk(measures.sources.cache_folder),
        "memory": read_memory(),
        "job_process_bytes": measures.sources.read_job_process_bytes(),
        "gpus": measures.gpus.read(),
        "caches": measures.sources.caches(),
        "answer_s": {name: measures.recent_quantile_s(share) for name, share in SHOWN_SHARES.items()},
        "n_clients": operator.usage.count_clients(),
        "clients": _list_clients(here),
        "workers": [_describe_worker(record) for record in operator.workers.find_all()],
        "jobs": [_describe_job(record) for record in operator.jobs.latest(N_JOBS)],
        "format_bytes": format_bytes,
    }


def _list_clients(here: Services) -> list[dict[str, Any]]:
    active = here.operator.jobs.count_active()
    return [
        {
            "id": shorten_id(item.id),
            "n_rasters": item.n_rasters,
            "bytes": item.raster_bytes,
            "n_jobs": active.get(item.id, 0),
            "last_seen": _format_time(item.last_seen),
        }
        for item in here.operator.usage.largest(N_CLIENTS)
    ]


def _describe_job(record: JobRecord) -> dict[str, Any]:
    """Return what the page shows; the names of rasters are the clients' own business."""
    end = record.finished or datetime.now(UTC).timestamp()
    return {
        "id": shorten_id(record.job),
        "kind": record.kind,
        "client": shorten_id(record.client),
        "state": record.state,
        "percent": round(100 * record.progress),
        "created": _format_time(record.created),
        "seconds": None if record.started is None else round(max(0.0, end - record.started), 1),
        "error": None if record.error is None else record.error.get("message"),
    }


def _describe_worker(record: WorkerRecord) -> dict[str, Any]:
    return {
        "name": record.worker,
        "host": record.host,
        "device": record.device,
        "unseen_s": round(record.unseen_s),
        "is_alive": record.is_alive,
        "job": shorten_id(record.doing) if record.doing else "",
    }


def format_bytes(n_bytes: float) -> str:
    """Return an amount as people read it, such as "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TiB"


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
