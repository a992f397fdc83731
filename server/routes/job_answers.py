"""Answers of routes that start a job: at once, or when it is done if that is soon."""

from __future__ import annotations

from flask import Response, jsonify, request

from server.jobs.records import JobRecord
from server.routes.errors import answer_failed_job
from server.routes.services import services


def answer_job(record: JobRecord, **told: object) -> Response:
    """Return the answer to a job that was just submitted: its result, or 202 with the address to follow.

    Args:
        record: the job.
        told: further fields of the answer.
    """
    if "respond-async" not in request.headers.get("Prefer", "").lower():
        record = _wait(record)
    if record.state == "failed" and record.error is not None:
        return answer_failed_job(record.error)
    finished = record.state not in ("queued", "running")
    response = jsonify({**(record.result or {}), **record.to_json(), **told})
    response.status_code = 200 if finished else 202
    if not finished:
        response.headers["Location"] = f"/jobs/{record.job}"
    return response


def _wait(record: JobRecord) -> JobRecord:
    """Wait for the job where a slot is free, so that waiting never takes more than half of the threads."""
    slots = services().waiting_slots
    if not slots.acquire(blocking=False):
        return record
    try:
        return services().queue.wait(record.job, services().segment_wait_s)
    finally:
        slots.release()
