"""What the process that serves and the one that works on jobs say to each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobWaits:
    """To the worker: look into the table."""


@dataclass(frozen=True)
class CancelJobs:
    """To the worker, as a question: cancel these; the answer comes when all know it."""

    jobs: tuple[str, ...]


@dataclass(frozen=True)
class StopWork:
    """To the worker: put back what runs, and end."""


@dataclass(frozen=True)
class AtWork:
    """From the worker: it has begun a job, or is done with it for now."""

    job: str
    is_at_work: bool


@dataclass(frozen=True)
class ClientChanged:
    """From the worker, as a question: rows of this client changed; the answer comes when nothing older is kept."""

    client: str


@dataclass(frozen=True)
class AttemptTook:
    """From the worker: how an attempt at a job went; see `Measures.note_job`."""

    kind: str
    outcome: str
    seconds: float
