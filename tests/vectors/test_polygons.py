"""Labels to polygons and back, whatever the labels are and however they are cut into strips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import rasterize
from rasterio.io import MemoryFile

from server.vectors import polygons
from server.vectors.polygons import polygonise

IDENTITY = rasterio.Affine.identity()
SHAPES = st.tuples(st.integers(1, 14), st.integers(1, 14))


def polygonise_array(labels: np.ndarray, strip_px: int) -> dict[int, shapely.MultiPolygon]:
    height, width = labels.shape
    profile = {"driver": "GTiff", "count": 1, "dtype": "int32", "crs": "EPSG:3857"}
    transform = rasterio.Affine(1, 0, 5, 0, -1, 5)
    with MemoryFile() as memory, mock.patch.object(polygons, "STRIP_PX", strip_px):
        with memory.open(width=width, height=height, transform=transform, **profile) as target:
            target.write(labels, 1)
        with memory.open() as source:
            found = list(polygonise(source))
    assert len(found) == len(dict(found))
    return dict(found)


@given(arrays(np.int32, SHAPES, elements=st.integers(0, 4)), st.integers(1, 200))
def test_polygonise_then_rasterise_returns_the_labels(labels: np.ndarray, strip_px: int) -> None:
    outlines = polygonise_array(labels, strip_px)
    assert sorted(outlines) == sorted(set(labels.ravel().tolist()) - {0})
    for object_id, outline in outlines.items():
        assert outline.is_valid
        assert outline.area == (labels == object_id).sum()
    back = np.zeros_like(labels)
    if outlines:
        back = rasterize([(outline, key) for key, outline in outlines.items()], labels.shape, transform=IDENTITY)
    assert (back == labels).all()


@given(arrays(np.int32, SHAPES, elements=st.integers(0, 2)), st.integers(1, 100))
def test_no_stitch_shows_where_strips_meet(labels: np.ndarray, strip_px: int) -> None:
    whole, joined = polygonise_array(labels, labels.size), polygonise_array(labels, strip_px)
    assert sorted(whole) == sorted(joined)
    for object_id, outline in whole.items():
        assert shapely.normalize(joined[object_id]).wkt == shapely.normalize(outline).wkt


def test_a_hole_across_many_strips_stays_one_ring() -> None:
    labels = np.ones((40, 30), dtype=np.int32)
    labels[5:35, 10:20] = 0
    (outline,) = polygonise_array(labels, strip_px=60).values()
    (polygon,) = outline.geoms
    assert [len(ring.coords) for ring in (polygon.exterior, *polygon.interiors)] == [5, 5]


def test_parts_holes_and_corners(sample: np.ndarray) -> None:
    outlines = polygonise_array(sample, strip_px=16)
    assert {key: len(item.geoms) for key, item in outlines.items()} == {1: 1, 2: 1, 3: 3, 5: 1}
    ring = outlines[1].geoms[0]
    assert [shapely.Polygon(hole).bounds for hole in ring.interiors] == [(1.0, 1.0, 3.0, 3.0)]


def test_a_raster_without_objects_has_no_polygons() -> None:
    assert polygonise_array(np.zeros((5, 7), dtype=np.int32), 10) == {}


def test_progress_rises_with_strips_and_objects(make_raster: Callable[..., Path]) -> None:
    labels = np.repeat(np.arange(1, 9, dtype=np.int32), 5)[np.newaxis, :, np.newaxis].repeat(10, axis=2)
    told: list[float] = []
    with rasterio.open(make_raster(bands=labels)) as raster, mock.patch.object(polygons, "STRIP_PX", 100):
        list(polygonise(raster, told.append))
    assert told == sorted(told)
    assert told[4:] == [0.0, 0.0, 0.125, 0.25, 0.25, 0.375, 0.5, 0.5, 0.625, 0.75, 0.75, 0.875]
