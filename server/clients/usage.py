"""Who uses how much, for the operator."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from server.clients.rasters import RasterRow
from server.clients.sessions import ClientRow
from server.database import reading


@dataclass(frozen=True)
class ClientUsage:
    """What one client keeps here.

    Attributes:
        id: as issued; not to be shown in full, because it is what the client's cookie holds.
        raster_bytes: uploaded rasters; results and copies come on top.
        last_seen: seconds since 1970.
    """

    id: str
    n_rasters: int
    raster_bytes: int
    last_seen: float


class UsageReader:
    """Sums up what clients keep."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count_clients(self) -> int:
        """Return how many clients are known, visitors who never passed the human check included."""
        with reading(self._engine) as session:
            return session.scalar(select(func.count()).select_from(ClientRow)) or 0

    def largest(self, n_most: int) -> list[ClientUsage]:
        """Return the clients with the most bytes of rasters, most first."""
        size = func.coalesce(func.sum(RasterRow.size_bytes), 0)
        query = (
            select(ClientRow.id, func.count(RasterRow.id), size, ClientRow.last_seen)
            .join(RasterRow, RasterRow.client_id == ClientRow.id)
            .group_by(ClientRow.id, ClientRow.last_seen)
            .order_by(size.desc(), ClientRow.id)
            .limit(n_most)
        )
        with reading(self._engine) as session:
            # PostgreSQL sums up to decimal numbers.
            return [ClientUsage(item, n, int(size_bytes), seen) for item, n, size_bytes, seen in session.execute(query)]
