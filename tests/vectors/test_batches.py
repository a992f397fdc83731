"""Thousands of outlines at once agree with the one-by-one ways, wherever the raster lies."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Geod
from rasterio.transform import from_origin

from server.vectors.batches import measure_areas, measure_perimeters, write_geometries
from server.vectors.geojson import make_outline
from server.vectors.placement import Placement, read_placement

SQUARE = shapely.MultiPolygon([shapely.box(10, 20, 40, 44)])
RING = shapely.MultiPolygon([shapely.box(0, 0, 30, 30).difference(shapely.box(10, 10, 20, 20))])
PARTS = shapely.MultiPolygon([shapely.box(50, 0, 60, 10), shapely.box(70, 0, 75, 40)])
OUTLINES = [SQUARE, RING, PARTS]
PLACES = {
    "UTM": ("EPSG:32650", from_origin(500_000, 4_400_000, 0.5, 0.5)),
    "Web Mercator far north": ("EPSG:3857", from_origin(1_000_000, 8_400_000, 0.3, 0.3)),
    "degrees": ("EPSG:4326", from_origin(10, 60, 1e-5, 1e-5)),
    "rotated": ("EPSG:32650", Affine.translation(500_000, 4_400_000) @ Affine.rotation(30) @ Affine.scale(2, -2)),
    "south up": ("EPSG:32733", Affine(1, 0, 500_000, 0, 1, 7_000_000)),
    "coarse": ("EPSG:32650", from_origin(200_000, 4_400_000, 1_000, 1_000)),
}


@pytest.fixture
def place(make_raster):
    """Return the placement of a raster with a CRS and a transform."""

    def read(crs: str | None, transform: Affine | None) -> Placement:
        with rasterio.open(make_raster(crs=crs, transform=transform)) as raster:
            return read_placement(raster)

    return read


@pytest.mark.parametrize("name", PLACES)
def test_geometries_are_those_of_single_outlines(place, name):
    placement = place(*PLACES[name])
    texts = write_geometries(OUTLINES, placement)
    for outline, text in zip(OUTLINES, texts, strict=True):
        expected = make_outline(shapely.transform(outline, placement.to_map), placement)
        written = shapely.from_geojson(text)
        assert written.geom_type == expected.geom_type
        assert written.is_valid
        assert written.equals_exact(expected, 1.1e-7, normalize=True)


@pytest.mark.parametrize("name", PLACES)
def test_areas_are_the_geodesic_ones(place, name):
    placement = place(*PLACES[name])
    expected = [placement.measure_m2(outline) for outline in OUTLINES]
    assert measure_areas(OUTLINES, placement) == pytest.approx(expected, rel=2e-4)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_without_a_place_on_earth_they_are_pixels(place):
    placement = place(None, None)
    assert measure_areas(OUTLINES, placement) == [None] * 3
    square = json.loads(write_geometries([SQUARE], placement)[0])
    assert square["type"] == "Polygon"
    assert np.ptp(square["coordinates"][0], axis=0).tolist() == [30, 24]


@pytest.mark.parametrize(
    ("crs", "left", "top", "size"), [("EPSG:4326", 179.9998, 10, 1e-5), ("EPSG:32660", 828_700, 1_106_900, 10)]
)
def test_an_object_across_the_antimeridian_is_cut(place, crs, left, top, size):
    placement = place(crs, from_origin(left, top, size, size))
    text = write_geometries([SQUARE, RING], placement)[0]
    written = shapely.from_geojson(text)
    assert written.geom_type == "MultiPolygon"
    assert written.bounds[0] == pytest.approx(-180)
    assert written.bounds[2] == pytest.approx(180)
    expected = placement.measure_m2(RING)
    assert measure_areas([RING], placement) == pytest.approx([expected], rel=2e-4)


def test_a_corner_without_a_place_on_earth_leaves_no_geometry(place):
    placement = place("EPSG:3413", from_origin(3e7, 3e7, 1e6, 1e6))  # polar map, far beyond the globe
    texts = write_geometries([SQUARE], placement)
    assert texts == [None] or all(np.isfinite(shapely.get_coordinates(shapely.from_geojson(texts[0])).ravel()))


def test_none_at_all():
    assert write_geometries([], Placement(None)) == []
    assert measure_areas([], Placement(None)) == []


@pytest.mark.parametrize("name", PLACES)
def test_perimeters_count_every_border_along_geodesics(place, name):
    placement = place(*PLACES[name])
    expected = [
        Geod(ellps="WGS84").geometry_length(
            shapely.transform(
                shapely.boundary(shapely.segmentize(outline, 0.5)),
                lambda points: placement.to_lonlat(placement.to_map(points)),
            )
        )
        for outline in OUTLINES
    ]
    assert measure_perimeters(OUTLINES, placement) == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_without_a_place_perimeters_are_unknown(place):
    assert measure_perimeters(OUTLINES, place(None, None)) == [None, None, None]
    assert measure_perimeters([], place(*PLACES["UTM"])) == []
