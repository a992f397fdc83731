"""`/metrics`: figures for Prometheus, for the operator alone."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from server.routes.documentation import Operation, documented
from server.routes.operator_access import is_from_loopback, require_operator
from server.routes.services import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@documented(
    Operation({200: ("Figures in Prometheus' text format, with the operator's token.", "text/plain")}, is_open=True)
)
def metrics() -> Response:
    """Tell requests, jobs, disk, memory, caches and GPUs in numbers."""
    operator = services().operator
    if not (operator.metrics_from_loopback and is_from_loopback()):
        require_operator(operator.token)
    response = Response(services().measures.to_text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response.headers["Cache-Control"] = "no-store"
    return response
