"""What happens around every request: an id, a place in the figures, and a refusal once the service is draining."""

from __future__ import annotations

import logging
from time import perf_counter

from flask import Flask, Response, g, request

from server.errors import Unavailable
from server.observability.context import choose_request_id, enter_request
from server.observability.draining import ARRIVAL
from server.routes.services import services

REQUEST_ID = "X-Request-ID"
# Whoever asks again after this will usually find the next process.
RETRY_AFTER_S = 10.0
log = logging.getLogger(__name__)


def register_watching(app: Flask, taking_in: frozenset[str]) -> None:
    """Watch the requests of `app`.

    Args:
        app: the application; call this before other guards are registered.
        taking_in: endpoints that begin something new, which a draining service refuses.
    """

    def enter() -> None:
        g.began_s = perf_counter()
        g.request_id = choose_request_id(request.headers.get(REQUEST_ID))
        enter_request(g.request_id)
        if request.endpoint in taking_in and services().drain.is_too_late(request.environ.get(ARRIVAL)):
            raise Unavailable(
                "The server is being restarted and takes in nothing new. Nothing of yours is lost; "
                f"please try again in {RETRY_AFTER_S:.0f} s.",
                RETRY_AFTER_S,
            )

    app.before_request(enter)
    app.after_request(_leave)
    app.teardown_request(_forget)


def _leave(response: Response) -> Response:
    seconds = perf_counter() - g.began_s
    route = request.url_rule.rule if request.url_rule is not None else "unknown"
    services().measures.note_request(route, request.method, response.status_code, seconds)
    response.headers[REQUEST_ID] = g.request_id
    log.debug(
        "%s %s: %d after %.3f s",
        request.method,
        route,
        response.status_code,
        seconds,
        extra={"fields": {"route": route, "status": response.status_code, "seconds": round(seconds, 4)}},
    )
    return response


def _forget(_error: BaseException | None) -> None:
    enter_request(None)
