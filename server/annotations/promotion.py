"""Takes objects that automatic segmentation found into an annotation layer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import shapely

from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.vectors.annotated import ObjectFacts
from server.vectors.geojson import read_rows
from server.vectors.placement import read_placement

# Far below a pixel, far above what the way to the map and back adds.
DIGITS = 6


def read_automatic_objects(
    objects: Path, labels: Path, ids: Collection[int] | None, class_name: str | None, checkpoint: str | None
) -> list[ObjectFacts]:
    """Return objects of a result as an annotation layer keeps them.

    Args:
        objects: the result's GeoPackage.
        labels: its label raster, which tells where the pixels lie.
        ids: the objects wanted; None for all.
        class_name: for all of them; None keeps the class each one has.
        checkpoint: that found them.

    Raises:
        BadParameter: some of the ids are not in the result.
    """
    found = dict(_read(objects, labels, ids, class_name, checkpoint))
    missing = [] if ids is None else sorted(set(ids) - set(found))
    if missing:
        raise BadParameter(f"The result has no object {missing[0]}; its ids are those of GET /object.", "ids")
    return list(found.values())


def _read(
    objects: Path, labels: Path, ids: Collection[int] | None, class_name: str | None, checkpoint: str | None
) -> Iterator[tuple[int, ObjectFacts]]:
    with open_raster(labels) as raster:
        placement = read_placement(raster)
    where = None if ids is None else f"id IN ({', '.join(str(int(item)) for item in ids)})"
    for geometry, values in read_rows(objects, where):
        outline = shapely.transform(geometry, lambda points: np.round(placement.to_pixel(points), DIGITS))
        point = values["point"]
        yield (
            int(values["id"]),
            ObjectFacts(
                outline=outline,
                class_name=class_name or values["class"],
                source="automatic",
                checkpoint=checkpoint,
                predicted_iou=values["predicted_iou"],
                stability_score=values["stability_score"],
                point_xy=None if point is None else (float(point[0]), float(point[1])),
            ),
        )
