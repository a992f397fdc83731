"""An area of interest lands on the right pixels, and what is none is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.errors import BadParameter
from server.rasters.area import read_area
from server.rasters.coordinates import to_lonlat
from server.rasters.windows import PixelWindow

ALL = PixelWindow(0, 0, 64, 48)


def outline(path: Path, corners: list[tuple[float, float]]) -> dict[str, Any]:
    """Return pixel corners as a GeoJSON polygon in degrees."""
    ring = [to_lonlat(path, x, y) for x, y in [*corners, corners[0]]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_a_polygon_in_degrees_covers_the_pixels_inside(make_raster: Callable[..., Path]) -> None:
    path = make_raster(size=(64, 48))
    area = read_area(path, outline(path, [(10, 5), (30, 5), (30, 25), (10, 25)]))
    drawn = area.draw(ALL)
    assert drawn.sum() == pytest.approx(400, abs=2)
    assert drawn[5:25, 10:30].mean() > 0.99
    assert (area.draw(PixelWindow(20, 10, 20, 30)) == drawn[10:40, 20:40]).all()


def test_it_is_drawn_at_another_resolution(make_raster: Callable[..., Path]) -> None:
    path = make_raster(size=(64, 48))
    area = read_area(path, outline(path, [(16, 8), (48, 8), (48, 40), (16, 40)]))
    expected = np.zeros((12, 16), dtype=bool)
    expected[2:10, 4:12] = True
    assert (area.draw(ALL, (12, 16)) == expected).all()


def test_pixels_where_the_raster_has_no_place(make_raster: Callable[..., Path]) -> None:
    path = make_raster(size=(64, 48), crs=None)
    ring = [[10, 5], [30, 5], [30, 25], [10, 25], [10, 5]]
    assert read_area(path, {"type": "MultiPolygon", "coordinates": [[ring]]}).draw(ALL).sum() == 400


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, "expected a GeoJSON Polygon"),
        ({}, "is a None"),
        ({"type": "Polygon"}, "not a readable"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "not a readable"),
        ({"type": "Polygon", "coordinates": []}, "empty"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}, "does not touch"),
        ({"type": "Polygon", "coordinates": [[[0, 200], [1, 200], [1, 201], [0, 200]]]}, "cannot be|does not touch"),
    ],
)
def test_what_is_no_area_is_refused(geometry: dict[str, Any], reason: str, make_raster: Callable[..., Path]) -> None:
    with pytest.raises(BadParameter, match=reason) as caught:
        read_area(make_raster(size=(64, 48)), geometry)
    assert caught.value.field == "area"
