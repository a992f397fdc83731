"""The one table from errors to status codes, and the one JSON shape every error is answered with."""

from __future__ import annotations

import logging
import math
import time

from flask import Flask, Response, g, jsonify
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from server import errors
from server.observability.context import shorten_id
from server.shortages import explain_shortage

STATUS_OF: dict[type[errors.UserError], int] = {
    errors.BadParameter: 400,
    errors.NotOperator: 401,
    errors.NotHuman: 403,
    errors.NoSuchRaster: 404,
    errors.NoSuchDataset: 404,
    errors.NoSuchJob: 404,
    errors.WrongMoment: 409,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.QuotaExceeded: 413,
    errors.NotARaster: 415,
    errors.TooFrequent: 429,
    errors.CheckpointMissing: 503,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}
log = logging.getLogger(__name__)


def register_error_answers(app: Flask) -> None:
    """Answer every error of `app` as `{"error", "message", "field"}`."""
    app.register_error_handler(errors.UserError, answer_user_error)
    app.register_error_handler(RateLimitExceeded, _answer_rate_limit)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_bug)


def answer_user_error(error: errors.UserError) -> Response:
    """Return the JSON answer to an error the caller can fix."""
    response = _answer(STATUS_OF.get(type(error), 400), error.code, error.message, error.field)
    if isinstance(error, errors.TooFrequent | errors.Unavailable):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, errors.NotOperator):
        response.headers["WWW-Authenticate"] = 'Basic realm="operator", charset="UTF-8"'
    return response


def answer_failed_job(error: dict[str, str | None]) -> Response:
    """Return the answer to a job that failed while its client waited; `error` holds code, message and field."""
    status = next((status for kind, status in STATUS_OF.items() if kind.code == error["code"]), 500)
    return _answer(status, error["code"] or "internal_error", error["message"] or "The job failed.", error["field"])


def _answer(status: int, code: str, message: str, field: str | None = None) -> Response:
    response = jsonify({"error": code, "message": message, "field": field})
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer_rate_limit(error: RateLimitExceeded) -> Response:
    seconds = error.limit.limit.get_expiry() if error.limit else 60
    sentence = f"Too many requests of this kind: the limit is {error.description}. Try again in {seconds} s at most."
    return answer_user_error(errors.TooFrequent(sentence, retry_after_s=seconds))


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, RequestEntityTooLarge):
        return _answer(413, "too_large", "The request is larger than this server accepts.")
    code = error.name.lower().replace(" ", "_")
    response = _answer(status, "bad_parameter" if status == 400 else code, error.description or error.name)
    if status == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or [])
    return response


def _answer_bug(error: Exception) -> Response:
    shortage = explain_shortage(error)
    if shortage is not None:
        log.error("The machine lacks something: %s", error)
        return answer_user_error(shortage)
    if isinstance(error, FileNotFoundError) and "client" in g and str(error.filename).startswith(str(g.client.folder)):
        log.warning("A file of client %s vanished during a request: %s", shorten_id(g.client.id), error)
        return answer_user_error(
            errors.NoSuchRaster("This raster was deleted or replaced during the request.", "raster")
        )
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    log.exception("Unexpected error")
    return _answer(500, "internal_error", f"An unexpected error occurred at {moment}; the server has logged it.")
