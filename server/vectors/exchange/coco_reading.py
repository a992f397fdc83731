"""Reads the annotations of one image of a COCO file as outlines in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from server.errors import BadParameter
from server.vectors.exchange.attributes import ATTRIBUTES
from server.vectors.exchange.found import FIELD, FoundFeatures, RasterSpace, check_count
from server.vectors.outlines import outline_mask
from server.vectors.packed_counts import unpack_counts

PARTS = ("images", "annotations", "categories")
# All run lengths of a file together may cover this many pixels, which take a minute.
MAX_MASK_PX = 4_000_000_000
# One mask is held in memory.
MAX_PX_PER_MASK = 500_000_000


def is_coco(content: Any) -> bool:
    """Tell COCO from other JSON."""
    return isinstance(content, dict) and all(isinstance(content.get(part), list) for part in PARTS[:2])


def read_coco(content: Mapping[str, Any], space: RasterSpace) -> FoundFeatures:
    """Read polygons and run lengths; annotations with neither have no geometry.

    Args:
        content: with lists "images" and "annotations", and "categories" where there are classes.
        space: of the raster, whose size tells which image is meant.

    Raises:
        BadParameter: no image has the size of the raster, or several have.
    """
    image = _choose_image(content["images"], space)
    annotations = [
        item for item in content["annotations"] if isinstance(item, dict) and item.get("image_id") == image.get("id")
    ]
    check_count(len(annotations))
    names = _list_categories(content.get("categories"))
    reader = _MaskReader(space)
    geometries = [reader.outline(item.get("segmentation")) for item in annotations]
    rows = [_describe(item, names) for item in annotations]
    left_out = len(content["annotations"]) - len(annotations)
    notes = [f"Left out, because they belong to other images: {left_out:,}."] if left_out else []
    return FoundFeatures(geometries, rows, in_pixels=True, notes=notes)


def _choose_image(images: Sequence[Any], space: RasterSpace) -> Mapping[str, Any]:
    size = (space.width, space.height)
    rows = [row for row in images if isinstance(row, dict)]
    fitting = [row for row in rows if (row.get("width"), row.get("height")) == size]
    if len(fitting) == 1:
        return dict(fitting[0])
    found = ", ".join(f"{row.get('width')} x {row.get('height')}" for row in rows[:5])
    raise BadParameter(
        f"The COCO file describes {len(rows)} images ({found[:200]}), {len(fitting)} of them with the size of the "
        f"raster, {space.width} x {space.height} pixels; expected exactly one.",
        FIELD,
    )


def _list_categories(rows: Any) -> dict[Any, str]:
    listed = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {row["id"]: str(row.get("name")) for row in listed if isinstance(row.get("id"), int)}


def _describe(annotation: Mapping[str, Any], names: Mapping[Any, str]) -> dict[str, Any]:
    """Return our attributes, where the file has them, and else the name of the category."""
    known = {name: annotation[name] for name in ATTRIBUTES if name in annotation}
    if "class" in known:  # one of our own files: COCO's categories cannot say that an object has no class
        return known
    number = annotation.get("category_id")
    return {**known, "category": names.get(number) if isinstance(number, int) else None}


class _MaskReader:
    """Turns segmentations into outlines, up to a number of pixels for all of them."""

    def __init__(self, space: RasterSpace) -> None:
        self._width, self._height = space.width, space.height
        self._left_px = MAX_MASK_PX

    def outline(self, segmentation: Any) -> shapely.Geometry | None:
        """Return the outline of one annotation; None where it has none or it is broken."""
        if isinstance(segmentation, list):
            return _join_polygons(segmentation)
        if isinstance(segmentation, dict) and segmentation.get("size") == [self._height, self._width]:
            counts = _read_counts(segmentation.get("counts"))
            if counts is not None and counts.sum() <= self._width * self._height:
                return self._trace(counts)
        return None

    def _trace(self, counts: NDArray[np.int64]) -> shapely.Geometry | None:
        """Return the outline of run lengths, background and object in turns, column by column."""
        ends = np.cumsum(counts)
        starts, ends = ends[:-1:2], ends[1::2]
        starts, ends = starts[ends > starts], ends[ends > starts]
        if not starts.size:
            return None
        first_col, end_col = int(starts[0]) // self._height, int(ends[-1] - 1) // self._height + 1
        size = (end_col - first_col) * self._height
        self._left_px -= size
        if self._left_px < 0 or size > MAX_PX_PER_MASK:
            raise BadParameter(
                "The run lengths of the COCO file cover too many pixels; send outlines as polygons instead.", FIELD
            )
        changes = np.zeros(size + 1, np.int8)
        corner = first_col * self._height
        # Runs may touch, so that one starts where another ends: both have to be counted.
        np.add.at(changes, starts - corner, 1)
        np.add.at(changes, ends - corner, -1)
        mask = np.cumsum(changes[:-1], dtype=np.int8).reshape(-1, self._height).T.astype(np.bool_)
        rows = np.flatnonzero(mask.any(axis=1))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        return outline_mask(np.ascontiguousarray(mask[top:bottom]), (first_col, top))


def _join_polygons(rings: Sequence[Any]) -> shapely.Geometry | None:
    """Return what flat lists of x and y cover together."""
    polygons = []
    for ring in rings:
        try:
            points = np.asarray(ring, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            return None
        if points.ndim != 1 or points.size < 6 or points.size % 2 or not np.isfinite(points).all():
            return None
        polygons.append(shapely.Polygon(points.reshape(-1, 2)))
    if len(polygons) < 2:
        return polygons[0] if polygons else None
    return shapely.union_all(shapely.make_valid(np.array(polygons, dtype=object)))


def _read_counts(counts: Any) -> NDArray[np.int64] | None:
    """Return run lengths, int64 (n,), from a list or COCO's compressed text; None where they are none."""
    if isinstance(counts, str):
        counts = unpack_counts(counts)
    try:
        numbers = np.asarray(counts)
    except ValueError:
        return None
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer) or (numbers < 0).any():
        return None
    # One more than there is cannot matter, and keeps the sum from running over.
    limited: NDArray[np.int64] = np.minimum(numbers, 2**40).astype(np.int64)
    return limited
