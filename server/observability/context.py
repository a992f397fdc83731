"""Which request or job the current thread works on, so that every log line can say so."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# What a proxy may hand on: nothing that could end a line or look like another field of a log.
WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SHOWN_ID_LENGTH = 8

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_job_id: ContextVar[str | None] = ContextVar("job_id", default=None)


def choose_request_id(sent: str | None) -> str:
    """Return the id a caller sent if it is well-formed, else a new random one."""
    if sent is not None and WELL_FORMED_ID.fullmatch(sent):
        return sent
    return uuid.uuid4().hex


def enter_request(request_id: str | None) -> None:
    """Let log lines of this thread carry `request_id` from now on; None ends that."""
    _request_id.set(request_id)


@contextmanager
def entered_job(job_id: str) -> Iterator[None]:
    """Let log lines carry `job_id` while the block runs."""
    token = _job_id.set(job_id)
    try:
        yield
    finally:
        _job_id.reset(token)


def current_ids() -> dict[str, str]:
    """Return the ids known here: `request` and `job`, each only where there is one."""
    found = {"request": _request_id.get(), "job": _job_id.get()}
    return {name: value for name, value in found.items() if value is not None}


def shorten_id(secret_id: str) -> str:
    """Return the end of a client's id: enough to tell clients apart, too little to become one of them."""
    return secret_id[-SHOWN_ID_LENGTH:]
