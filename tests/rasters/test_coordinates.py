"""Places in degrees and pixels: transform, ground control points, rational polynomials, and nothing at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint

from server.errors import BadParameter, WrongMoment
from server.rasters.coordinates import read_bounds_wgs84, to_lonlat, to_pixel
from server.rasters.opening import open_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
TRANSFORMS = {
    "north up": Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 4_400_000.0),
    "south up": Affine(0.5, 0.0, 500_000.0, 0.0, 0.5, 4_400_000.0),
    "rotated": Affine(0.4, 0.3, 500_000.0, 0.3, -0.4, 4_400_000.0),
}
# Pixels of 1/64 degree whose polynomials are plain lines: x grows with longitude, y falls with latitude.
LINE = ["0"] * 20
LINEAR_RPC = {
    "LINE_OFF": "23.5",
    "SAMP_OFF": "31.5",
    "LAT_OFF": "40",
    "LONG_OFF": "117",
    "HEIGHT_OFF": "500",
    "LINE_SCALE": "32",
    "SAMP_SCALE": "32",
    "LAT_SCALE": "0.5",
    "LONG_SCALE": "0.5",
    "HEIGHT_SCALE": "1000",
    "LINE_NUM_COEFF": " ".join(["0", "0", "-1", *LINE[3:]]),
    "SAMP_NUM_COEFF": " ".join(["0", "1", *LINE[2:]]),
    "LINE_DEN_COEFF": " ".join(["1", *LINE[1:]]),
    "SAMP_DEN_COEFF": " ".join(["1", *LINE[1:]]),
}


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_transform(make_raster: Callable[..., Path], kind: str) -> None:
    transform = TRANSFORMS[kind]
    path = make_raster(transform=transform)
    east = transform.a * 12.25 + transform.b * 7.5 + transform.c
    north = transform.d * 12.25 + transform.e * 7.5 + transform.f
    place = pyproj.Transformer.from_crs(32650, 4326, always_xy=True).transform(east, north)
    assert to_pixel(path, *place) == pytest.approx((12.25, 7.5), abs=1e-4)
    assert to_lonlat(path, 12.25, 7.5) == pytest.approx(place, abs=1e-9)


def test_degrees_are_longitude_first(make_raster: Callable[..., Path]) -> None:
    path = make_raster(crs="EPSG:4326", transform=Affine(0.1, 0.0, 100.0, 0.0, -0.1, 40.0))
    assert to_lonlat(path, 10.0, 20.0) == pytest.approx((101.0, 38.0))
    assert to_pixel(path, 101.0, 38.0) == pytest.approx((10.0, 20.0))


def test_ground_control_points(make_raster: Callable[..., Path]) -> None:
    path = make_raster(crs=None)
    corners = [(0, 0), (0, 64), (48, 0), (48, 64)]
    gcps = [GroundControlPoint(row=row, col=col, x=117 + col / 100, y=40 - row / 100) for row, col in corners]
    with rasterio.open(path, "r+") as raster:
        raster.gcps = (gcps, rasterio.CRS.from_epsg(4326))
    assert to_pixel(path, 117.25, 39.9) == pytest.approx((25.0, 10.0), abs=1e-6)
    assert to_lonlat(path, 25.0, 10.0) == pytest.approx((117.25, 39.9), abs=1e-9)


def test_rational_polynomials(make_raster: Callable[..., Path]) -> None:
    path = make_raster(crs=None)
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(ns="RPC", **LINEAR_RPC)
    # The polynomials count from the centre of the first pixel, x and y from its corner.
    assert to_pixel(path, 117.0, 40.0) == pytest.approx((32.0, 24.0), abs=1e-3)
    assert to_pixel(path, 117.25, 40.25) == pytest.approx((48.0, 8.0), abs=1e-3)
    assert to_lonlat(path, 48.0, 8.0) == pytest.approx((117.25, 40.25), abs=1e-4)


def test_real_polynomials_lead_there_and_back(real_data: Path) -> None:
    path = real_data / "geotiff_zoo" / "rioxarray" / "input" / "test_rpcs.tif"
    lon, lat = to_lonlat(path, 100.25, 50.75)
    assert (lon, lat) == pytest.approx((46.73, 39.87), abs=0.01)
    assert to_pixel(path, lon, lat) == pytest.approx((100.25, 50.75), abs=0.01)


@pytest.mark.parametrize(
    "options", [{"crs": None}, {"crs": None, "transform": TRANSFORMS["rotated"]}, {"transform": Affine.identity()}]
)
def test_without_place_on_earth(make_raster: Callable[..., Path], options: dict[str, object]) -> None:
    path = make_raster(**options)
    for ask in (to_pixel, to_lonlat):
        with pytest.raises(WrongMoment, match="no place on Earth"):
            ask(path, 1.0, 2.0)


@pytest.mark.parametrize("place", [(math.inf, 0.0), (math.nan, 40.0), (117.0, 1e9)])
def test_places_without_answer(make_raster: Callable[..., Path], place: tuple[float, float]) -> None:
    with pytest.raises(BadParameter):
        to_pixel(make_raster(), *place)


def test_coordinates_beyond_every_crs_are_no_place(make_raster: Callable[..., Path]) -> None:
    """GDAL goes around the globe for such longitudes; a pixel of 1e16 m kept it busy for minutes."""
    path = make_raster(crs="EPSG:3857", transform=Affine(1e11, 0.0, 0.0, 0.0, -1.0, 0.0))
    with open_raster(path) as raster:
        assert read_bounds_wgs84(raster) is None
    with pytest.raises(BadParameter, match="no place on Earth"):
        to_lonlat(path, 20.0, 0.0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=st.floats(-100, 200), y=st.floats(-100, 200), kind=st.sampled_from(sorted(TRANSFORMS)))
def test_there_and_back(make_raster: Callable[..., Path], x: float, y: float, kind: str) -> None:
    path = make_raster(transform=TRANSFORMS[kind])
    assert to_pixel(path, *to_lonlat(path, x, y)) == pytest.approx((x, y), abs=1e-3)
