"""Geometry from requests: into pixels where it is sound, a sentence where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from server.errors import BadParameter
from server.vectors.batches import write_geometries
from server.vectors.placement import Placement, read_placement
from server.vectors.sent_shapes import read_line, read_polygon


def place_in_utm() -> Placement:
    profile = {"driver": "GTiff", "width": 100, "height": 100, "count": 1, "dtype": "uint8", "crs": "EPSG:32650"}
    with MemoryFile() as memory:
        memory.open(**profile, transform=from_origin(500_000, 4_400_000, 0.5, 0.5)).close()
        with rasterio.open(memory) as raster:
            return read_placement(raster)


UTM = place_in_utm()
NOWHERE = Placement(None)
TRIANGLE = {"type": "Polygon", "coordinates": [[[1, 2], [5, 2], [5, 8], [1, 2]]]}


@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(0.1, 90), st.sampled_from([0, 1]))
def test_what_was_written_is_read_back(left: float, top: float, side: float, place: int) -> None:
    placement = (UTM, NOWHERE)[place]
    outline = shapely.MultiPolygon([shapely.box(left, top, left + side, top + 2 * side)])
    (text,) = write_geometries([outline], placement)
    geometry = shapely.geometry.mapping(shapely.from_geojson(text))
    read = read_polygon(geometry, placement, "geometry")
    # Seven digits of a degree are a centimetre, and a pixel is half a metre.
    assert read.hausdorff_distance(outline) < 0.05


def test_lines_follow_the_same_space():
    assert read_line([[1, 2], [3, 4]], NOWHERE, "line").tolist() == [[1, 2], [3, 4]]
    lon, lat = UTM.to_lonlat(UTM.to_map(np.array([[10.0, 20.0]])))[0]
    np.testing.assert_allclose(read_line([[lon, lat], [lon, lat]], UTM, "line"), [[10, 20], [10, 20]], atol=1e-3)


@pytest.mark.parametrize(
    ("geometry", "found"),
    [
        ({}, "None"),
        ({"type": "Point", "coordinates": [1, 2]}, "Point"),
        ({"type": "GeometryCollection", "geometries": []}, "GeometryCollection"),
        ({"type": "Polygon"}, "four"),
        ({"type": "Polygon", "coordinates": "x"}, "four"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "four"),
        ({"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [2, 2], ["a", 0]]]}, "four"),
        ({"type": "MultiPolygon", "coordinates": [[1, 2]]}, "four"),
        ({"type": "Polygon", "coordinates": {"x": 1}}, "four"),
    ],
)
def test_other_geometry_is_refused_with_what_was_expected(geometry, found):
    with pytest.raises(BadParameter, match=found) as caught:
        read_polygon(geometry, NOWHERE, "add")
    assert caught.value.field == "add"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_corners_must_be_numbers(value):
    geometry = {"type": "Polygon", "coordinates": [[[value, 2], [5, 2], [5, 8], [value, 2]]]}
    for placement in (NOWHERE, UTM):
        with pytest.raises(BadParameter):
            read_polygon(geometry, placement, "add")


def test_degrees_off_the_globe_are_refused():
    geometry = {"type": "Polygon", "coordinates": [[[1, 200], [5, 200], [5, 280], [1, 200]]]}
    with pytest.raises(BadParameter, match="longitude, latitude"):
        read_polygon(geometry, UTM, "add")


def test_a_single_point_is_no_line():
    with pytest.raises(BadParameter, match="1 points"):
        read_line([[1, 2]], NOWHERE, "line")
    assert read_polygon(TRIANGLE, NOWHERE, "add").area == 12
