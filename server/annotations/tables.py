"""The tables of annotation layers; all of a layer's rows go with its raster."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base


class LayerRow(Base):
    """The annotation layer of one raster.

    Attributes:
        number: stands for the layer in the other tables.
        raster_id: of the raster it belongs to.
        revision: grows by one with every edit, undo and redo.
        next_id: of the next object; never goes back, so that no id means two objects.
        classes: rows of the class table, JSON.
        classes_revision: the revision that last changed the class table.
        position: number of the latest step that is done; the steps after it can be redone.
        n_objects: how many objects there are now.
        n_bytes: how much their outlines take.
        removals_from: of removals up to this revision nothing is kept.
    """

    __tablename__ = "annotation_layers"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    raster_id: Mapped[str] = mapped_column(ForeignKey("rasters.id", ondelete="CASCADE"), unique=True)
    revision: Mapped[int] = mapped_column(default=0)
    next_id: Mapped[int] = mapped_column(default=1)
    classes: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    classes_revision: Mapped[int] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=0)
    n_objects: Mapped[int] = mapped_column(default=0)
    n_bytes: Mapped[int] = mapped_column(default=0)
    removals_from: Mapped[int] = mapped_column(default=0)


class StateColumns:
    """What an object is at one moment; `outline` is WKB in pixels of the raster, None where there is no object."""

    outline: Mapped[bytes | None]
    class_id: Mapped[int | None]
    source: Mapped[str | None]
    checkpoint: Mapped[str | None]
    predicted_iou: Mapped[float | None]
    stability_score: Mapped[float | None]
    point_x: Mapped[float | None]
    point_y: Mapped[float | None]
    created: Mapped[str | None]
    changed: Mapped[str | None]


STATE_NAMES = (
    "outline",
    "class_id",
    "source",
    "checkpoint",
    "predicted_iou",
    "stability_score",
    "point_x",
    "point_y",
    "created",
    "changed",
)


class ObjectRow(StateColumns, Base):
    """One object of a layer as it is now; `revision` is the layer's when it became so."""

    __tablename__ = "annotation_objects"
    __table_args__ = (
        Index("annotation_objects_by_revision", "layer", "revision"),
        CheckConstraint("outline IS NOT NULL", "annotation_objects_exist"),
    )

    layer: Mapped[int] = mapped_column(ForeignKey("annotation_layers.number", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]


class RemovalRow(Base):
    """An object that is no more, and the revision that removed it: what readers of changes have to be told."""

    __tablename__ = "annotation_removals"
    __table_args__ = (Index("annotation_removals_by_revision", "layer", "revision"),)

    layer: Mapped[int] = mapped_column(ForeignKey("annotation_layers.number", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]


class StepRow(Base):
    """One edit that can be undone or, once undone, redone.

    Attributes:
        id: stands for the step in the table of states.
        layer: the layer it belongs to.
        number: order of the steps of a layer, without gaps.
        title: what kind of edit it is.
        classes: the class table on its other side (before it while it is done), or None where it did not change it.
        n_bytes: how much space its states take.
    """

    __tablename__ = "annotation_steps"
    __table_args__ = (Index("annotation_steps_of_layer", "layer", "number", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    layer: Mapped[int] = mapped_column(ForeignKey("annotation_layers.number", ondelete="CASCADE"))
    number: Mapped[int]
    title: Mapped[str]
    classes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    n_bytes: Mapped[int] = mapped_column(default=0)


class StateRow(StateColumns, Base):
    """What an object is on a step's other side: before it (`is_after` false) while it is done, after it once undone."""

    __tablename__ = "annotation_states"

    step: Mapped[int] = mapped_column(ForeignKey("annotation_steps.id", ondelete="CASCADE"), primary_key=True)
    object_id: Mapped[int] = mapped_column(primary_key=True)
    is_after: Mapped[bool] = mapped_column(primary_key=True)
