"""Tells a page about a job as it goes on, as server-sent events, instead of being asked again and again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from threading import BoundedSemaphore

from flask import Blueprint, Response, request

from server.errors import TooFrequent
from server.jobs.job_queue import JobQueue
from server.jobs.records import JobRecord
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.services import services

blueprint = Blueprint("job_events", __name__)
# How often a job is looked at, in seconds; workers note their progress four times a second at most.
LOOK_INTERVAL_S = 0.5
# A comment this often keeps proxies from closing a silent stream, and finds out that nobody listens any more.
HEARTBEAT_S = 5.0
# Then the page connects again, so that others get their turn.
LONGEST_STREAM_S = 300.0
RECONNECT_MS = 1000
RETRY_AFTER_S = 10.0
PROGRESS, END = "progress", "end"


@blueprint.get("/jobs/<job>/events")
@documented(
    Operation(
        {
            200: ('Events "progress", then one "end"; each holds what `GET /jobs/{job}` tells.', "text/event-stream"),
            204: ("The job has ended, and the last event was received; do not connect again.", None),
        }
    )
)
def stream_events(job: str) -> Response:
    """Follow a job until it ends; where too many do, the answer is 429, and `GET /jobs/{job}` tells the same."""
    record = services().queue.find(current_client().id, job)
    seen = request.headers.get("Last-Event-ID", "")
    if not record.is_active and seen == identify(record):
        return Response(status=204)
    slots = (services().stream_slots, services().waiting_slots)
    take_slots(slots)
    stream = follow(services().queue, record, seen)
    response = Response(stream, content_type="text/event-stream")
    response.call_on_close(lambda: release(slots))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would collect events before it passes them on
    return response


def take_slots(slots: tuple[BoundedSemaphore, ...]) -> None:
    """Take one of each, or none; a stream occupies a thread, and most threads must stay free for short requests.

    Raises:
        TooFrequent: one of them is used up.
    """
    for number, slot in enumerate(slots):
        if not slot.acquire(blocking=False):
            release(slots[:number])
            raise TooFrequent(
                "As many pages as this server allows follow jobs by events now. Ask GET /jobs/{job} instead.",
                RETRY_AFTER_S,
            )


def release(slots: tuple[BoundedSemaphore, ...]) -> None:
    """Give slots back."""
    for slot in slots:
        slot.release()


def follow(queue: JobQueue, record: JobRecord, seen: str) -> Iterator[str]:
    """Yield the events of a job until it ends, the server stops, or the stream has lasted long enough.

    Args:
        queue: knows the job.
        record: the job as it is now.
        seen: id of the event that the listener got last; empty for none.
    """
    began = last = time.monotonic()
    yield f"retry: {RECONNECT_MS}\n\n"
    while True:
        if identify(record) != seen:
            seen, last = identify(record), time.monotonic()
            yield write_event(record)
        elif time.monotonic() - last >= HEARTBEAT_S:
            last = time.monotonic()
            yield ": still here\n\n"
        if not record.is_active or queue.is_stopping or time.monotonic() - began >= LONGEST_STREAM_S:
            return
        try:
            record = queue.wait(record.job, LOOK_INTERVAL_S)
        except KeyError:  # the client was removed, and the job with it
            return


def write_event(record: JobRecord) -> str:
    """Return a job as one event."""
    kind = PROGRESS if record.is_active else END
    return f"id: {identify(record)}\nevent: {kind}\ndata: {json.dumps(record.to_json())}\n\n"


def identify(record: JobRecord) -> str:
    """Return what an event about a job is called; it changes with everything a page shows."""
    shown = f"{record.state} {record.progress} {record.step} {record.attempts}"
    return hashlib.blake2b(shown.encode(), digest_size=8).hexdigest()
