"""What goes into a file, what came out of one, and which kinds of files there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely

from server.vectors.annotated import AnnotatedObject, ObjectClass, ObjectFacts


@dataclass(frozen=True)
class Layer:
    """The annotation layer of one raster.

    Attributes:
        objects: in the order of the files.
        classes: the class table; holds every class the objects name.
        raster: the file the outlines belong to.
        raster_name: what its owner calls it.
    """

    objects: Sequence[AnnotatedObject]
    classes: Sequence[ObjectClass]
    raster: Path
    raster_name: str


@dataclass(frozen=True)
class ImportedObjects:
    """What a file brought.

    Attributes:
        objects: at least one, in pixels of the raster and inside it.
        notes: sentences for the person who sent the file: what was assumed, changed or left out.
    """

    objects: Sequence[ObjectFacts]
    notes: Sequence[str]


@dataclass(frozen=True)
class ImportedPlaces:
    """What a file brought, as places that somebody could have pointed at.

    Attributes:
        places: at least one, in pixels of the raster: x, y of a point inside an object, or x0, y0, x1, y1 of the box
            around it.
        class_names: of the objects; None where the file says none.
        notes: as in `ImportedObjects`.
    """

    places: Sequence[tuple[float, ...]]
    class_names: Sequence[str | None]
    notes: Sequence[str]


@dataclass(frozen=True)
class ImportedExamples:
    """What a file brought, as examples of classes.

    Attributes:
        shapes: at least one, in pixels of the raster and inside it.
        class_names: of the shapes; None where the file says none.
        notes: as in `ImportedObjects`.
    """

    shapes: Sequence[shapely.Point | shapely.MultiPolygon]
    class_names: Sequence[str | None]
    notes: Sequence[str]
