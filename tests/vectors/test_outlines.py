"""Outlines of single masks: the pixels they came from, valid, and placed as whole results are."""

from __future__ import annotations

import numpy as np
import rasterio.crs
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS
from rasterio.features import rasterize

from server.rasters.coordinates import Georeference
from server.vectors.outlines import make_feature, outline_mask
from server.vectors.placement import Placement

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)).filter(np.any)


@given(MASKS, st.integers(0, 50), st.integers(0, 50), st.sampled_from([(1.0, 1.0), (2.0, 3.0), (1.7, 19.53)]))
def test_an_outline_holds_exactly_its_pixels(mask: np.ndarray, col: int, row: int, scale: tuple[float, float]) -> None:
    outline = outline_mask(mask, (col, row), scale)
    assert outline.is_valid
    assert np.isclose(outline.area, np.count_nonzero(mask) * scale[0] * scale[1])
    back = Affine.translation(col, row) @ Affine.scale(*scale)
    drawn = rasterize([outline], mask.shape, transform=back, dtype="uint8")
    np.testing.assert_array_equal(drawn.astype(bool), mask)


@given(MASKS)
def test_features_are_valid_and_turn_counter_clockwise(mask: np.ndarray) -> None:
    there = Affine.translation(500_000, 4_400_000) @ Affine.rotation(20) @ Affine.scale(0.02, -0.02)
    back = ~there
    place = Placement(
        Georeference(
            rasterio.crs.CRS.from_epsg(32650),
            lambda points: np.stack(there * tuple(points.T), axis=1),
            lambda points: np.stack(back * tuple(points.T), axis=1),
        )
    )
    assert place.crs == CRS.from_epsg(32650)
    feature = make_feature(outline_mask(mask, (3, 4)), place, {"area_px": 1})
    assert (feature["type"], feature["properties"]) == ("Feature", {"area_px": 1})
    geometry = shapely.geometry.shape(feature["geometry"])
    assert geometry.is_valid
    for polygon in shapely.get_parts(geometry).tolist():
        assert polygon.exterior.is_ccw
    assert (np.abs(shapely.get_coordinates(geometry) - (117.0, 39.74)) < 0.02).all()


def test_without_a_place_the_feature_is_in_pixels() -> None:
    mask = np.ones((2, 3), dtype=bool)
    feature = make_feature(outline_mask(mask, (10, 20)), Placement(None), {})
    assert shapely.geometry.shape(feature["geometry"]).bounds == (10, 20, 13, 22)


def test_a_corner_that_is_nowhere_leaves_no_geometry() -> None:
    there = Affine(1e9, 0, 0, 0, 1e9, 0)
    place = Placement(
        Georeference(
            rasterio.crs.CRS.from_epsg(32650), lambda points: points * there.a, lambda points: points / there.a
        )
    )
    assert make_feature(outline_mask(np.ones((2, 2), dtype=bool), (5, 5)), place, {})["geometry"] is None
