"""Previews show the bands asked for, in that order, bounded in size, with nothing drawn where there is no data."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from server.errors import BadParameter
from server.rasters.colours import colours_of
from server.rasters.look import check_band_indexes, default_band_indexes
from server.rasters.preview import render_label_preview, render_preview
from tests.rasters.pictures import read_png


def bright_bands(n_bands: int, *bright: int) -> np.ndarray:
    """Bands with a common dark corner; band `bright[i]` is bright in row i."""
    bands = np.full((n_bands, 16, 16), 10, dtype=np.uint16)
    for row, band in enumerate(bright):
        bands[band - 1, row] = 3000
    return bands


def test_red_shows_the_first_index(make_raster):
    path = make_raster(bands=bright_bands(4, 4, 2, 1))
    picture = read_png(render_preview(path, (4, 2, 1), mode="minmax"))
    assert picture[0, 0].tolist() == [255, 0, 0, 255]
    assert picture[1, 0].tolist() == [0, 255, 0, 255]
    assert picture[2, 0].tolist() == [0, 0, 255, 255]
    assert picture[9, 9].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("n_bands", [1, 2, 3, 5])
def test_every_type_and_band_count_has_a_preview(make_raster, dtype, n_bands):
    ramp = np.tile(np.linspace(0, 120, 50), (n_bands, 40, 1)).astype(dtype)
    picture = read_png(render_preview(make_raster(bands=ramp)))
    assert picture.shape == (40, 50, 4)
    assert picture[..., :3].min() == 0
    assert picture[..., :3].max() == 255


@pytest.mark.parametrize(
    ("size", "max_size", "expected"), [((300, 100), 60, (20, 60)), ((30, 40), 2048, (40, 30)), ((1000, 1), 10, (1, 10))]
)
def test_the_longest_side_is_bounded_and_proportions_kept(make_raster, size, max_size, expected):
    assert read_png(render_preview(make_raster(size=size), max_size=max_size)).shape[:2] == expected


@pytest.mark.parametrize("max_size", [2048, 10])
def test_nodata_is_transparent(make_raster, max_size):
    bands = np.full((3, 40, 40), 500, dtype=np.int16)
    bands[:, :, ::2] = 700
    bands[:, :20] = -9999
    picture = read_png(render_preview(make_raster(bands=bands, nodata=-9999), max_size=max_size))
    half = picture.shape[0] // 2
    assert (picture[:half, :, 3] == 0).all()
    assert (picture[half:, :, 3] == 255).all()


def test_a_dark_pixel_is_not_nodata(make_raster):
    bands = np.full((3, 8, 8), 90, dtype=np.uint8)
    bands[0, 2, 2] = 0
    assert read_png(render_preview(make_raster(bands=bands, nodata=0)))[2, 2, 3] == 255


def test_alpha_hides_pixels(make_raster):
    path = make_raster(bands=4, photometric="rgb", alpha="yes")
    with rasterio.open(path, "r+") as raster:
        assert raster.colorinterp[3] == ColorInterp.alpha
        opacity = np.full((48, 64), 255, dtype=np.uint8)
        opacity[:, :32] = 0
        raster.write(opacity, 4)
    picture = read_png(render_preview(path))
    assert (picture[:, :32, 3] == 0).all()
    assert (picture[:, 32:, 3] == 255).all()


def test_a_mask_band_hides_pixels(make_raster):
    path = make_raster()
    with rasterio.open(path, "r+") as raster:
        mask = np.full((48, 64), 255, dtype=np.uint8)
        mask[:24] = 0
        raster.write_mask(mask)
    picture = read_png(render_preview(path))
    assert (picture[:24, :, 3] == 0).all()
    assert (picture[24:, :, 3] == 255).all()


def test_a_palette_gives_its_colours(make_raster):
    values = np.array([[[0, 1], [2, 3]]], dtype=np.uint8)
    path = make_raster(bands=values)
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {0: (9, 8, 7, 255), 1: (255, 0, 0, 255), 2: (0, 0, 250, 255)})
    picture = read_png(render_preview(path))
    assert picture[0].tolist() == [[9, 8, 7, 255], [255, 0, 0, 255]]
    assert picture[1, 0].tolist() == [0, 0, 250, 255]


def test_stretch_modes_differ(make_raster):
    bands = np.tile(np.r_[np.arange(100, 199), 10_000].astype(np.uint16), (3, 20, 1))
    path = make_raster(bands=bands)
    middle = {
        mode: int(read_png(render_preview(path, mode=mode))[0, 50, 0]) for mode in ("percentile", "minmax", "none")
    }
    assert 100 < middle["percentile"] < 160
    assert middle["minmax"] == round(50 / 9900 * 255)
    assert middle["none"] == round(150 / 65535 * 255)


def test_default_bands_follow_the_raster(make_raster):
    assert default_band_indexes(make_raster(bands=1)) == (1, 1, 1)
    assert default_band_indexes(make_raster(bands=2)) == (1, 1, 1)
    assert default_band_indexes(make_raster(bands=5, dtype="uint16")) == (1, 2, 3)
    path = make_raster(bands=4, dtype="uint16")
    with rasterio.open(path, "r+") as raster:
        raster.colorinterp = [ColorInterp.undefined, ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    assert default_band_indexes(path) == (4, 3, 2)
    grey_alpha = make_raster("grey.png", bands=2, driver="PNG", crs=None)
    assert default_band_indexes(grey_alpha) == (1, 1, 1)


def test_a_missing_band_is_named(make_raster):
    path = make_raster(bands=4)
    with pytest.raises(BadParameter) as caught:
        render_preview(path, (1, 5, 2))
    assert caught.value.message == "Band 5 asked; this raster has 4 bands, numbered 1 to 4."
    assert caught.value.field == "g"
    with pytest.raises(BadParameter, match="1 band, numbered 1"):
        check_band_indexes(make_raster(bands=1), (0, 1, 1))
    with pytest.raises(BadParameter) as caught:
        check_band_indexes(path, (1, 2))
    assert caught.value.field == "rgb_index"


def test_labels_have_fixed_colours_on_transparent_ground(make_raster):
    labels = np.zeros((1, 30, 30), dtype=np.int32)
    labels[0, 10:, :] = 7
    labels[0, 20:, :] = 70_000
    path = make_raster(bands=labels, nodata=0)
    picture = read_png(render_label_preview(path, alpha=0.6))
    assert (picture[:10, :, 3] == 0).all()
    assert picture[15, 0].tolist() == [*colours_of(np.array(7)).tolist(), 153]
    assert picture[25, 0].tolist() == [*colours_of(np.array(70_000)).tolist(), 153]
    small = read_png(render_label_preview(path, max_size=3))
    assert small.shape == (3, 3, 4)
    assert np.array_equal(small[:, 0], picture[[5, 15, 25], 0])
