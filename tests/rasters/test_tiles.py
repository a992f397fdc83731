"""Tiles show the same pixels as the raster, in their place on the map or in pixel space."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from server.errors import BadParameter
from server.rasters.colours import colours_of
from server.rasters.coordinates import to_lonlat
from server.rasters.preview import render_preview
from server.rasters.tiles import TILE_PX, read_tilejson, render_label_tile, render_tile
from tests.rasters.pictures import read_png

HALF_SQUARE_M = 20_037_508.342789244
ZOOM, COLUMN, ROW = 15, 17_000, 11_000
TILE_M = 2 * HALF_SQUARE_M / 2**ZOOM
URL = "/tiles/a/{z}/{x}/{y}.png"


def on_grid(n_tiles: int = 1) -> dict:
    """Place and size of a raster that fills whole tiles of ZOOM, one raster pixel per tile pixel."""
    left, top = COLUMN * TILE_M - HALF_SQUARE_M, HALF_SQUARE_M - ROW * TILE_M
    size_m = TILE_M / TILE_PX
    return {
        "crs": "EPSG:3857",
        "transform": from_origin(left, top, size_m, size_m),
        "size": (n_tiles * TILE_PX, TILE_PX),
    }


def noise(n_bands: int, height: int, width: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(1).integers(1, 255, (n_bands, height, width)).astype(dtype)


def to_tile(lon: float, lat: float, zoom: int) -> tuple[int, int, int, int]:
    """Return tile x, y and the pixel x, y in it."""
    x = (lon + 180.0) / 360.0 * 2**zoom
    y = (1.0 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2.0 * 2**zoom
    return math.floor(x), math.floor(y), int(x % 1 * TILE_PX), int(y % 1 * TILE_PX)


def test_tilejson_of_a_georeferenced_raster(make_raster):
    content = read_tilejson(make_raster(bands=noise(3, 300, 400)), URL)
    assert content["space"] == "map"
    assert content["tilejson"] == "3.0.0"
    assert content["tiles"] == [URL]
    west, south, east, north = content["bounds"]
    assert 116.9 < west < east < 117.1
    assert 39.7 < south < north < 39.8
    lon, lat, zoom = content["center"]
    assert west < lon < east
    assert south < lat < north
    assert content["minzoom"] <= zoom <= content["maxzoom"]
    # Half a metre on the ground is 0.65 m of Web Mercator at 40 degrees: zoom 17.9.
    assert content["maxzoom"] == 18


def test_tilejson_of_a_plain_picture(make_raster):
    content = read_tilejson(make_raster(size=(1000, 300), crs=None), URL)
    assert content == {
        "tilejson": "3.0.0",
        "space": "pixel",
        "tiles": [URL],
        "minzoom": 0,
        "maxzoom": 2,
        "width": 1000,
        "height": 300,
        "tile_size": 256,
    }


def test_map_tiles_show_the_very_pixels(make_raster):
    place = on_grid(n_tiles=2)
    bands = noise(3, TILE_PX, 2 * TILE_PX)
    path = make_raster(bands=bands, **place)
    assert read_tilejson(path, URL)["maxzoom"] == ZOOM
    for number in range(2):
        picture = read_png(render_tile(path, ZOOM, COLUMN + number, ROW, mode="none"))
        expected = bands[:, :, number * TILE_PX : (number + 1) * TILE_PX]
        assert (picture[..., 3] == 255).all()
        assert np.array_equal(np.moveaxis(picture[..., :3], -1, 0), expected)


def test_one_stretch_for_all_tiles(make_raster):
    """A dark and a bright half stay dark and bright, although each tile alone has full contrast."""
    bands = np.concatenate([noise(3, 256, 256, "uint16"), noise(3, 256, 256, "uint16") + 1000], axis=2)
    path = make_raster(bands=bands, **on_grid(n_tiles=2))
    dark = read_png(render_tile(path, ZOOM, COLUMN, ROW))
    bright = read_png(render_tile(path, ZOOM, COLUMN + 1, ROW))
    assert int(dark[..., :3].max()) < int(bright[..., :3].min())


def test_bands_are_red_green_blue_in_order(make_raster):
    bands = np.full((4, TILE_PX, TILE_PX), 10, dtype=np.uint8)
    bands[3, :, :128] = 200
    path = make_raster(bands=bands, **on_grid())
    picture = read_png(render_tile(path, ZOOM, COLUMN, ROW, band_indexes=(4, 1, 1), mode="none"))
    assert picture[0, 0].tolist() == [200, 10, 10, 255]
    with pytest.raises(BadParameter) as caught:
        render_tile(path, ZOOM, COLUMN, ROW, band_indexes=(1, 1, 5))
    assert caught.value.field == "b"


@pytest.mark.parametrize(
    "tile",
    [
        (ZOOM, COLUMN + 5, ROW),
        (ZOOM, 0, 0),
        (ZOOM, -1, 0),
        (-1, 0, 0),
        (3, 8, 0),
        (10**9, 1, 1),
        (30, COLUMN << 15, ROW << 15),
        (60, 2**40, 2**40),
    ],
)
@pytest.mark.parametrize("georeferenced", [True, False])
def test_nothing_outside(make_raster, tile, georeferenced):
    place = on_grid() if georeferenced else {"crs": None, "size": (TILE_PX, TILE_PX)}
    path = make_raster(**place)
    assert render_tile(path, *tile) is None
    assert render_label_tile(path, *tile) is None


def test_nodata_is_transparent_on_the_map(make_raster):
    bands = noise(3, TILE_PX, TILE_PX, "int16")
    bands[:, :128] = -9999
    path = make_raster(bands=bands, nodata=-9999, **on_grid())
    picture = read_png(render_tile(path, ZOOM, COLUMN, ROW))
    assert (picture[:128, :, 3] == 0).all()
    assert (picture[128:, :, 3] == 255).all()
    empty = make_raster("empty.tif", bands=np.full((1, 256, 256), np.nan, np.float32), **on_grid())
    assert render_tile(empty, ZOOM, COLUMN, ROW) is None


def test_half_transparent_pixels_hold_data(make_raster):
    """GDAL calls the fourth of four 8-bit bands alpha, also where it is near infrared."""
    bands = noise(4, TILE_PX, TILE_PX)
    bands[3] = np.arange(TILE_PX)
    path = make_raster(bands=bands, **on_grid())
    picture = read_png(render_tile(path, ZOOM, COLUMN, ROW))
    assert (picture[:, 1:, 3] == 255).all()
    assert (picture[:, 0, 3] == 0).all()
    assert np.array_equal(picture, read_png(render_preview(path)))


def test_a_missing_channel_is_dark_in_tile_and_preview(make_raster):
    bands = noise(3, TILE_PX, TILE_PX, "uint16")
    bands[1, 5:9, 5:9] = 65535
    path = make_raster(bands=bands, nodata=65535, **on_grid())
    picture = read_png(render_tile(path, ZOOM, COLUMN, ROW))
    assert (picture[5:9, 5:9, 1] == 0).all()
    assert np.array_equal(picture, read_png(render_preview(path)))


def test_a_mask_band_is_transparent_on_the_map(make_raster):
    path = make_raster(bands=noise(3, TILE_PX, TILE_PX), **on_grid())
    with rasterio.open(path, "r+") as raster:
        raster.write_mask(np.repeat([[0], [255]], 128, axis=0).astype(np.uint8).repeat(TILE_PX, axis=1))
    picture = read_png(render_tile(path, ZOOM, COLUMN, ROW))
    assert (picture[:128, :, 3] == 0).all()
    assert (picture[128:, :, 3] == 255).all()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("georeferenced", [True, False])
def test_a_palette_keeps_its_colours(make_raster, georeferenced):
    place = on_grid() if georeferenced else {"crs": None}
    path = make_raster(bands=np.repeat([[[1], [2]]], 128, axis=1).astype(np.uint8).repeat(TILE_PX, axis=2), **place)
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 0, 250, 255)})
    tile = (ZOOM, COLUMN, ROW) if georeferenced else (0, 0, 0)
    picture = read_png(render_tile(path, *tile))
    assert {tuple(colour) for colour in picture.reshape(-1, 4).tolist()} == {(255, 0, 0, 255), (0, 0, 250, 255)}


@pytest.mark.parametrize("with_overviews", [True, False])
def test_coarse_zooms_show_the_whole_raster(make_raster, with_overviews):
    bands = np.zeros((3, 1024, 1024), dtype=np.uint8)
    bands[:, :, 512:] = 200
    place = on_grid()
    path = make_raster(bands=bands, crs=place["crs"], transform=place["transform"], tiled=True)
    if with_overviews:
        with rasterio.open(path, "r+") as raster:
            raster.build_overviews([2, 4], rasterio.enums.Resampling.average)
    picture = read_png(render_tile(path, ZOOM - 2, COLUMN // 4, ROW // 4, mode="none"))
    assert picture[128, 10].tolist() == [0, 0, 0, 255]
    assert picture[128, 250].tolist() == [200, 200, 200, 255]


def mark_of(path) -> tuple[int, int]:
    """Return where the bright mark of `marked` is seen, as tile pixel distance from where it lies on Earth."""
    zoom = read_tilejson(path, URL)["maxzoom"]
    lon, lat = to_lonlat(path, 150.5, 100.5)
    x, y, across, down = to_tile(lon, lat, zoom)
    picture = read_png(render_tile(path, zoom, x, y, mode="minmax"))
    rows, cols = np.nonzero(picture[..., 0] > 200)
    assert len(rows)
    return round(abs(cols.mean() - across)), round(abs(rows.mean() - down))


def marked() -> np.ndarray:
    bands = np.full((1, 200, 300), 10, dtype=np.uint8)
    bands[0, 99:102, 149:152] = 250
    return bands


@pytest.mark.parametrize(
    "transform",
    [
        Affine.translation(500_000, 4_400_000) @ Affine.rotation(30) @ Affine.scale(2, -2),
        Affine(2, 0, 500_000, 0, 2, 4_399_000),
        Affine(3, 0, 500_000, 0, -1, 4_400_000),
    ],
    ids=["rotated", "south-up", "oblong"],
)
def test_odd_transforms_lie_in_their_place(make_raster, transform):
    path = make_raster(bands=marked(), transform=transform)
    assert max(mark_of(path)) <= 2


def test_ground_control_points_lie_in_their_place(make_raster):
    corners = [(0, 0), (0, 300), (200, 0), (200, 300), (100, 150)]
    gcps = [GroundControlPoint(row, col, 10 + col * 1e-4 + row * 2e-5, 50 - row * 1e-4) for row, col in corners]
    path = make_raster(bands=marked(), crs="EPSG:4326", transform=None, gcps=gcps)
    content = read_tilejson(path, URL)
    assert content["space"] == "map"
    assert max(mark_of(path)) <= 2
    # The control points shear the raster, so that corners of its frame are not part of it.
    west, south, east, north = content["bounds"]
    x, y, *_ = to_tile((west + east) / 2, (south + north) / 2, content["minzoom"])
    opacity = read_png(render_tile(path, content["minzoom"], x, y, mode="minmax"))[..., 3]
    assert set(np.unique(opacity)) == {0, 255}


def test_pixel_tiles_put_together_are_the_raster(make_raster):
    bands = noise(3, 300, 600)
    path = make_raster(bands=bands, crs=None)
    full = read_tilejson(path, URL)["maxzoom"]
    assert full == 2
    mosaic = np.zeros((512, 768, 4), dtype=np.uint8)
    for row in range(2):
        for col in range(3):
            picture = read_png(render_tile(path, full, col, row, mode="none"))
            mosaic[row * 256 : (row + 1) * 256, col * 256 : (col + 1) * 256] = picture
    assert np.array_equal(np.moveaxis(mosaic[:300, :600, :3], -1, 0), bands)
    assert (mosaic[:300, :600, 3] == 255).all()
    assert (mosaic[300:, :, 3] == 0).all()
    assert (mosaic[:, 600:, 3] == 0).all()
    half = read_png(render_tile(path, 1, 0, 0))
    assert (half[:150, :, 3] == 255).all()
    assert (half[150:, :, 3] == 0).all()
    assert (read_png(render_tile(path, 0, 0, 0))[:75, :150, 3] == 255).all()


@pytest.mark.parametrize("georeferenced", [True, False])
def test_label_tiles_have_fixed_colours(make_raster, georeferenced):
    labels = np.zeros((1, TILE_PX, TILE_PX), dtype=np.int32)
    labels[0, 100:] = 300
    labels[0, 200:] = 70_001
    place = on_grid() if georeferenced else {"crs": None}
    path = make_raster(bands=labels, nodata=0, **place)
    tile = (ZOOM, COLUMN, ROW) if georeferenced else (0, 0, 0)
    picture = read_png(render_label_tile(path, *tile, alpha=0.5))
    assert (picture[:100, :, 3] == 0).all()
    assert (picture[100:200] == [*colours_of(np.array(300)), 128]).all()
    assert (picture[200:] == [*colours_of(np.array(70_001)), 128]).all()
    background = make_raster("empty.tif", bands=labels * 0, nodata=0, **place)
    assert render_label_tile(background, *tile) is None


def test_a_raster_across_the_antimeridian(make_raster):
    path = make_raster(size=(400, 300), crs="EPSG:32701", transform=from_origin(160_000, 8_000_000, 200, 200))
    content = read_tilejson(path, URL)
    west, south, east, north = content["bounds"]
    assert (west, east) == (-180.0, 180.0)
    assert south < north
    assert abs(content["center"][0]) > 179
    zoom = content["maxzoom"]
    seen = [render_tile(path, zoom, x, to_tile(180 - 1e-9, (south + north) / 2, zoom)[1]) for x in (0, 2**zoom - 1)]
    assert all(seen)


def test_longitudes_beyond_the_map_are_cut_off(make_raster):
    path = make_raster(size=(360, 180), crs="EPSG:4326", transform=from_origin(0, 90, 1, 1))
    west, _, east, _ = read_tilejson(path, URL)["bounds"]
    assert (west, east) == (0.0, 180.0)
    assert render_tile(path, 2, 3, 1) is not None
    beyond = make_raster("beyond.tif", size=(10, 10), crs="EPSG:4326", transform=from_origin(200, 50, 1, 1))
    assert read_tilejson(beyond, URL)["space"] == "pixel"


def test_a_local_coordinate_system_gives_pixel_tiles(make_raster):
    local = 'ENGCRS["site grid",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
    path = make_raster(crs=local, transform=from_origin(10, 20, 0.5, 0.5))
    assert read_tilejson(path, URL)["space"] == "pixel"
    assert render_tile(path, 0, 0, 0) is not None
