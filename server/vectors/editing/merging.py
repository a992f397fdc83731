"""Makes one object of several."""

from __future__ import annotations

from collections.abc import Sequence

import shapely

from server.errors import BadParameter
from server.vectors.editing.checking import as_outline


def merge(outlines: Sequence[shapely.MultiPolygon]) -> shapely.MultiPolygon:
    """Return the union of outlines; those that do not touch become parts of one multi-polygon.

    Raises:
        BadParameter: there are fewer than two, or the union has too many vertices.
    """
    if len(outlines) < 2:
        raise BadParameter(f"{len(outlines)} objects were chosen; merging needs two or more.", "objects")
    # Where outlines met, a union leaves corners on straight edges: they are nothing a person would want to drag.
    return as_outline(shapely.simplify(shapely.union_all(outlines), 0.0))
