"""Masks that wait for the next click where any process can find them: in the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, Engine, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.database import Base, reading, writing
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.earlier_masks import (
    Owner,
    SeenLogits,
    make_mask_id,
    pack_logits,
    refuse_unknown,
    unpack_logits,
)
from server.segmentation.prompting.looks import Look

# Three per click, of some three thousand bytes each: a hundred clicks of one person.
MAX_MASKS_PER_CLIENT = 300
# Nobody goes on from yesterday's click; masks of clients that are no more go this way, too.
LIFETIME_S = 24 * 3600.0


class KeptMaskRow(Base):
    """One mask; `logits` as packed by `pack_logits`, `place` is what else `SeenLogits` holds, JSON."""

    __tablename__ = "kept_masks"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    client: Mapped[str] = mapped_column(index=True)
    raster: Mapped[str]
    checkpoint: Mapped[str]
    created: Mapped[float] = mapped_column(index=True)
    logits: Mapped[bytes]
    place: Mapped[dict[str, Any]] = mapped_column(JSON)


class KeptMasks:
    """A `MaskMemory` that processes share; of each client the latest masks are kept, for a day."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def keep(self, owner: Owner, seen: SeenLogits) -> str:
        """Keep a mask for its owner and return its id, which cannot be guessed."""
        now = self._clock()
        row = KeptMaskRow(
            id=make_mask_id(),
            client=owner.client,
            raster=owner.raster,
            checkpoint=owner.checkpoint,
            created=now,
            logits=pack_logits(seen.logits),
            place=_write_place(seen),
        )
        with writing(self._engine) as session:
            session.add(row)
            session.flush()
            session.execute(delete(KeptMaskRow).where(KeptMaskRow.created < now - LIFETIME_S))
            _drop_oldest(session, owner.client)
            return row.id

    def find(self, owner: Owner, mask_id: str) -> SeenLogits:
        """Return the mask of that id.

        Raises:
            BadParameter: its owner has none of that id, or no longer; `field` is "previous".
        """
        with reading(self._engine) as session:
            row = session.scalars(select(KeptMaskRow).where(KeptMaskRow.id == mask_id)).one_or_none()
            if row is None or Owner(row.client, row.raster, row.checkpoint) != owner:
                raise refuse_unknown(mask_id)
            return _read_mask(row)


def _drop_oldest(session: Session, client: str) -> None:
    numbers = select(KeptMaskRow.number).where(KeptMaskRow.client == client)
    surplus = numbers.order_by(KeptMaskRow.number.desc()).offset(MAX_MASKS_PER_CLIENT)
    session.execute(delete(KeptMaskRow).where(KeptMaskRow.number.in_(surplus)))


def _write_place(seen: SeenLogits) -> dict[str, Any]:
    return {
        "window": list(seen.look.window),
        "shape": list(seen.look.shape),
        "to_low": list(seen.to_low),
        "box": list(seen.box),
    }


def _read_mask(row: KeptMaskRow) -> SeenLogits:
    place = row.place
    (n_rows, n_cols), (along_x, along_y) = place["shape"], place["to_low"]
    return SeenLogits(
        logits=unpack_logits(row.logits),
        look=Look(PixelWindow(*place["window"]), (n_rows, n_cols)),
        to_low=(along_x, along_y),
        box=PixelWindow(*place["box"]),
    )
