"""All clients' jobs at a glance, for the operator and the metrics."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from server.database import reading
from server.jobs.records import ACTIVE, CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobRecord, JobRow, make_record

STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)


class JobOverview:
    """Counts jobs over all clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count_states(self) -> dict[str, int]:
        """Return how many jobs on record are in each state, zeros included."""
        query = select(JobRow.state, func.count()).group_by(JobRow.state)
        with reading(self._engine) as session:
            found = {row[0]: row[1] for row in session.execute(query)}
        return {state: found.get(state, 0) for state in (*STATES, *(found.keys() - set(STATES)))}

    def count_active(self) -> dict[str, int]:
        """Return client id -> jobs waiting or running, for clients that have any."""
        query = select(JobRow.client, func.count()).where(JobRow.state.in_(ACTIVE)).group_by(JobRow.client)
        with reading(self._engine) as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def latest(self, n_most: int) -> list[JobRecord]:
        """Return the jobs submitted last, latest first."""
        query = select(JobRow).order_by(JobRow.number.desc()).limit(n_most)
        with reading(self._engine) as session:
            return [make_record(row) for row in session.scalars(query)]
