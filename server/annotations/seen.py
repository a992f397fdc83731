"""Objects as a caller saw them: found as long as nobody has changed them meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from server.annotations.tables import LayerRow, ObjectRow
from server.errors import Conflict

MAX_IDS_TOLD = 20
# A statement takes fewer than a layer has objects: 32,766 in SQLite, 65,535 in PostgreSQL.
IDS_PER_STATEMENT = 10_000
# Larger ones no database could compare.
LARGEST_ID = 2**63 - 1


def find_seen(
    session: Session,
    layer: LayerRow | None,
    seen: Mapping[int, int],
    columns: Sequence[InstrumentedAttribute[Any] | ColumnElement[Any]],
) -> dict[int, Row[Any]]:
    """Return id, revision and these columns of objects, by id.

    Args:
        session: sees one state of the database.
        layer: the objects' layer, or None where there is none.
        seen: the revision the caller saw, by id.
        columns: more columns of `ObjectRow`.

    Raises:
        Conflict: an object is gone or has another revision.
    """
    found: dict[int, Row[Any]] = {}
    if layer is not None and seen:
        query = select(ObjectRow.id, ObjectRow.revision, *columns).where(ObjectRow.layer == layer.number)
        for ids in _split(seen):
            found |= {row.id: row for row in session.execute(query.where(ObjectRow.id.in_(ids)))}
    outdated = [
        number for number, revision in seen.items() if number not in found or found[number].revision != revision
    ]
    if outdated:
        raise Conflict(
            f"Meanwhile these objects have been changed or removed, perhaps in another tab: {_tell(sorted(outdated))}. "
            "Nothing was changed now; load the annotations again, look, and repeat what is still wanted."
        )
    return found


def _split(ids: Iterable[int]) -> Iterable[Sequence[int]]:
    """Yield the ids that an object can have, as many at a time as one statement takes."""
    possible = [number for number in ids if 0 < number <= LARGEST_ID]
    for start in range(0, len(possible), IDS_PER_STATEMENT):
        yield possible[start : start + IDS_PER_STATEMENT]


def _tell(ids: Sequence[int]) -> str:
    told = ", ".join(str(number) for number in ids[:MAX_IDS_TOLD])
    return f"{told} and {len(ids) - MAX_IDS_TOLD} more" if len(ids) > MAX_IDS_TOLD else told
