"""Objects as a caller saw them: found as long as nobody has changed them meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from server.annotations.tables import LayerRow, ObjectRow
from server.errors import Conflict

MAX_IDS_TOLD = 20


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
        # One parameter for all ids: a statement takes fewer than a layer has objects.
        ids = select(func.json_each(json.dumps(list(seen))).table_valued("value").c.value)
        query = select(ObjectRow.id, ObjectRow.revision, *columns)
        query = query.where(ObjectRow.layer == layer.number, ObjectRow.id.in_(ids))
        found = {row.id: row for row in session.execute(query)}
    outdated = [
        number for number, revision in seen.items() if number not in found or found[number].revision != revision
    ]
    if outdated:
        raise Conflict(
            f"Meanwhile these objects have been changed or removed, perhaps in another tab: {_tell(sorted(outdated))}. "
            "Nothing was changed now; load the annotations again, look, and repeat what is still wanted."
        )
    return found


def _tell(ids: Sequence[int]) -> str:
    told = ", ".join(str(number) for number in ids[:MAX_IDS_TOLD])
    return f"{told} and {len(ids) - MAX_IDS_TOLD} more" if len(ids) > MAX_IDS_TOLD else told
