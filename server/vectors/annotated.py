"""Objects that a person keeps: outline, class and origin, as the annotation layer and its files see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import shapely

Source = Literal["automatic", "prompt", "imported", "drawn"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True)
class ObjectClass:
    """One row of a raster's class table.

    Attributes:
        id: 1..255, its value in a class raster.
        name: not empty, unique in its table.
        color: "#rrggbb".
    """

    id: int
    name: str
    color: str


@dataclass(frozen=True)
class ObjectFacts:
    """What is known of an object, wherever it is kept.

    Attributes:
        outline: pixels of the raster, x to the right and y down from its upper left corner; valid, not empty.
        class_name: None where it has no class.
        source: how it was made.
        checkpoint: of the network that drew it; None where none did.
        predicted_iou: the network's own rating, 0..1, or None.
        stability_score: 0..1 or None.
        point_xy: the click that found it, in pixels of the raster, or None.
    """

    outline: shapely.MultiPolygon
    class_name: str | None = None
    source: Source = "drawn"
    checkpoint: str | None = None
    predicted_iou: float | None = None
    stability_score: float | None = None
    point_xy: tuple[float, float] | None = None


@dataclass(frozen=True)
class AnnotatedObject:
    """An object of an annotation layer.

    Attributes:
        id: from 1, never used twice in a layer.
        revision: of the layer when the object was last changed.
        facts: outline and attributes.
        created: ISO 8601 in UTC.
        changed: ISO 8601 in UTC.
    """

    id: int
    revision: int
    facts: ObjectFacts
    created: str
    changed: str
