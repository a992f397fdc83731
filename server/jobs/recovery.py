"""What becomes of a job that is interrupted: it waits again, is given up, or is cancelled if that was wanted."""

from __future__ import annotations

import time

from sqlalchemy.orm import Session

from server.jobs.claims import find_claim, release
from server.jobs.history import add_line, count_interruption
from server.jobs.records import CANCELLED, FAILED, QUEUED, JobRow

# A job that takes the process down before it gets any further would do it again and again; a machine that is restarted
# a few times while the network loads is no fault of the job.
MAX_FUTILE_ATTEMPTS = 5
INTERRUPTED_TOO_OFTEN = {
    "code": "internal_error",
    "message": f"The server stopped {MAX_FUTILE_ATTEMPTS} times in a row while this job got no further, so it is not "
    "tried again by itself. Try a smaller window or other parameters, or ask the operator.",
    "field": None,
}


def queue_again(row: JobRow) -> None:
    """Let a job wait as if it had never begun."""
    row.state, row.started, row.progress, row.step, row.eta_s = QUEUED, None, 0.0, "", None


def cancel_row(session: Session, row: JobRow) -> None:
    """Call a job cancelled, whoever was at it."""
    release(session, row.job)
    row.state, row.finished, row.eta_s = CANCELLED, time.time(), None
    add_line(session, row, CANCELLED)


def cancel_as_told(session: Session, row: JobRow) -> bool:
    """Cancel a job whose worker was told to, but had no time to; return whether that was so."""
    found = find_claim(session, row.job)
    is_told = found is not None and found.is_cancelled
    if is_told:
        cancel_row(session, row)
    return is_told


def recover_row(session: Session, row: JobRow, n_finished: int) -> bool:
    """Decide what becomes of a job whose process is gone; return whether it waits again."""
    if cancel_as_told(session, row):
        return False
    release(session, row.job)
    if count_interruption(session, row, n_finished) >= MAX_FUTILE_ATTEMPTS:
        row.state, row.error, row.finished, row.eta_s = FAILED, INTERRUPTED_TOO_OFTEN, time.time(), None
        add_line(session, row, f"failed: {INTERRUPTED_TOO_OFTEN['message']}")
        return False
    queue_again(row)
    add_line(session, row, f"the server stopped; {n_finished} parts are finished, waiting")
    return True
