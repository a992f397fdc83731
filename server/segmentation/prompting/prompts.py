"""What a person pointed at, checked and carried into pixels of the raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.errors import BadParameter
from server.rasters.coordinates import Points
from server.vectors.placement import Placement

# Enough for any outline corrected by hand; the time of a prediction grows with every point.
MAX_POINTS = 100
# Boxes thinner than this hold no pixel's centre for sure, so nothing can be meant by them.
MIN_BOX_SIDE_PX = 0.01
Space = Literal["pixel", "map"]


class Extent(NamedTuple):
    """A rectangle in pixels of the raster, x to the right and y down from its upper left corner."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class GivenPrompts:
    """Prompts as they came with a request.

    Attributes:
        points: x, y and 1 (inside) or 0 (outside) of every click.
        box: x0, y0, x1, y1 of two opposite corners; None without a box.
        space: "pixel", or "map" for longitude and latitude; on a raster without a place on Earth both mean pixels.
    """

    points: Sequence[Sequence[float]]
    box: Sequence[float] | None
    space: Space


@dataclass(frozen=True)
class Prompts:
    """Prompts in pixels of the raster.

    Attributes:
        points_xy: float64 (N, 2).
        labels: int64 (N,), 1 inside and 0 outside.
        box: None without one.
    """

    points_xy: Points
    labels: NDArray[np.int64]
    box: Extent | None

    @property
    def extent(self) -> Extent:
        """The smallest rectangle around all prompts, of which there is at least one."""
        corners = [self.points_xy] + ([np.reshape(self.box, (2, 2))] if self.box is not None else [])
        everything = np.concatenate(corners)
        return Extent(*everything.min(axis=0).tolist(), *everything.max(axis=0).tolist())


def read_prompts(given: GivenPrompts, placement: Placement, size: tuple[int, int], *, refines: bool) -> Prompts:
    """Check prompts and carry them into pixels of a raster.

    Args:
        given: as they came.
        placement: where the raster lies.
        size: its width and height in pixels.
        refines: there is an earlier mask, so that points outside say something without one inside.

    Raises:
        BadParameter: there are none or too many, none says what is inside, a label is not 0 or 1, a place is not on
            the raster, or the box is empty; names "points" or "box".
    """
    _check_kinds(given, refines=refines)
    rows = np.array(given.points, dtype=np.float64).reshape(-1, 3)
    points_xy = _carry(rows[:, :2], given.space, placement, "points")
    for (x, y), (found_x, found_y) in zip(points_xy.tolist(), rows[:, :2].tolist(), strict=True):
        if not (0 <= x < size[0] and 0 <= y < size[1]):
            raise BadParameter(
                f"Point {found_x:.9g}, {found_y:.9g} is not on the raster of {size[0]} x {size[1]} pixels; "
                "click inside it.",
                "points",
            )
    box = None if given.box is None else _read_box(given.box, given.space, placement, size)
    return Prompts(points_xy, rows[:, 2].astype(np.int64), box)


def _check_kinds(given: GivenPrompts, *, refines: bool) -> None:
    if not given.points and given.box is None:
        raise BadParameter("There is no prompt; give at least one point, or a box.", "points")
    if len(given.points) > MAX_POINTS:
        raise BadParameter(f"{len(given.points)} points given; at most {MAX_POINTS} are taken at once.", "points")
    if any(len(point) != 3 or point[2] not in (0, 1) for point in given.points):
        raise BadParameter("A point is [x, y, label], where the label is 1 for inside and 0 for outside.", "points")
    if given.box is None and not refines and not any(point[2] for point in given.points):
        raise BadParameter(
            "All points say what is outside; add one inside, a box, or the mask to be corrected.", "points"
        )


def _carry(points: Points, space: Space, placement: Placement, field: str) -> Points:
    """Return points in pixels; refuse what is no place."""
    pixels = points
    if space == "map" and placement.is_georeferenced and len(points):
        on_map = placement.from_lonlat(points)
        pixels = placement.to_pixel(on_map) if np.isfinite(on_map).all() else on_map
    if not np.isfinite(pixels).all():
        raise BadParameter(f'A place in "{field}" is no number, or has no answer in the raster\'s CRS.', field)
    return pixels


def _read_box(box: Sequence[float], space: Space, placement: Placement, size: tuple[int, int]) -> Extent:
    """Return the part of a box that lies on the raster; on a turned raster, the pixel box around the turned one."""
    if len(box) != 4:
        raise BadParameter(f"A box has four numbers, x0, y0, x1, y1; found {len(box)}.", "box")
    x0, y0, x1, y1 = box
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
    pixels = _carry(corners, space, placement, "box").clip(0, np.array(size, dtype=np.float64))
    found = Extent(*pixels.min(axis=0).tolist(), *pixels.max(axis=0).tolist())
    if min(found.x1 - found.x0, found.y1 - found.y0) < MIN_BOX_SIDE_PX:
        raise BadParameter(
            f"Box {', '.join(f'{value:.9g}' for value in box)} (x0, y0, x1, y1) covers no part of the raster of "
            f"{size[0]} x {size[1]} pixels; drag it over the object.",
            "box",
        )
    return found
