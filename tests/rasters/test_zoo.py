"""Every raster of the zoo, corrupt and fuzzed ones included, either works or is refused with a sentence."""

from __future__ import annotations

import io
import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from server.errors import UserError
from server.rasters.look import default_band_indexes
from server.rasters.metadata import read_metadata
from server.rasters.opening import check_raster, raster_suffix
from server.rasters.preview import render_preview
from server.rasters.tiles import TILE_PX, read_tilejson, render_tile
from server.rasters.windows import PatchReader, PixelWindow

RASTER_SUFFIXES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".vrt"}
N_PARTS = 8
SIDE_FILE_SUFFIXES = (".ovr", ".msk", ".aux.xml")


def zoo_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in RASTER_SUFFIXES)


def store(path: Path, folder: Path) -> Path:
    """Copy a raster and its side files as the service stores them."""
    source = folder / f"source{raster_suffix(path)}"
    shutil.copyfile(path, source)
    for suffix in SIDE_FILE_SUFFIXES:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            shutil.copyfile(beside, source.with_name(source.name + suffix))
    return source


def use_raster(path: Path, folder: Path) -> None:
    """Do everything the service does with an upload."""
    check_raster(path, max_pixels=2**32)
    source = store(path, folder)
    meta = read_metadata(source, path.name)
    json.dumps(meta, allow_nan=False)
    assert_agrees_with_rasterio(meta, source)
    picture = Image.open(io.BytesIO(render_preview(source, max_size=300)))
    assert picture.mode == "RGBA"
    assert max(picture.size) == min(300, max(meta["width"], meta["height"]))
    assert_tiles(source)
    width, height = min(meta["width"], 128), min(meta["height"], 128)
    with PatchReader(source, default_band_indexes(source)) as reader:
        patch = reader.read_patch(PixelWindow(meta["width"] - width, meta["height"] - height, width, height))
    assert patch.rgb.shape == (height, width, 3)
    assert patch.valid.shape == (height, width)


def assert_agrees_with_rasterio(meta: dict[str, Any], source: Path) -> None:
    with rasterio.open(source) as raster:
        assert (meta["width"], meta["height"], meta["band_count"]) == (raster.width, raster.height, raster.count)
        assert [band["dtype"] for band in meta["bands"]] == list(raster.dtypes)
        assert meta["driver"] == raster.driver
        assert meta["gcps"] == len(raster.gcps[0])
        if raster.crs and meta["transform"]:
            assert rasterio.crs.CRS.from_wkt(meta["crs"]["wkt"]) == raster.crs
        if meta["transform"]:
            assert meta["transform"] == pytest.approx(list(raster.transform)[:6])
            left, top = raster.transform @ (0, 0)
            assert meta["bounds"][0] <= left <= meta["bounds"][2]
            assert meta["bounds"][1] <= top <= meta["bounds"][3]
        else:
            assert raster.transform.is_identity
        nodata = raster.nodata
        assert meta["nodata"] == ("nan" if nodata is not None and math.isnan(nodata) else nodata)
        if not meta["approximate"]:
            assert_same_statistics(meta, raster)


def assert_same_statistics(meta: dict[str, Any], raster: rasterio.DatasetReader) -> None:
    values = raster.read(1, masked=True)
    if "alpha" in [band["color"] for band in meta["bands"]]:
        values = np.ma.masked_where(raster.read(meta["band_count"]) == 0, values)
    values = np.ma.masked_invalid(values).compressed()
    if len(values):
        assert meta["bands"][0]["min"] == pytest.approx(float(values.min()))
        assert meta["bands"][0]["max"] == pytest.approx(float(values.max()))


def assert_tiles(source: Path) -> None:
    tiles = read_tilejson(source, "/{z}/{x}/{y}")
    json.dumps(tiles, allow_nan=False)
    zoom, x, y = tiles["maxzoom"], 0, 0
    if tiles["space"] == "map":
        lon, lat, _ = tiles["center"]
        x = math.floor((lon + 180.0) / 360.0 * 2**zoom)
        y = math.floor((1.0 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2.0 * 2**zoom)
    coarse = tiles["minzoom"]
    shift = zoom - coarse
    for z, column, row in ((zoom, x, y), (coarse, x >> shift, y >> shift)):
        content = render_tile(source, z, column, row)
        if content is not None:
            assert Image.open(io.BytesIO(content)).size == (TILE_PX, TILE_PX)


def describe_failure(path: Path, folder: Path) -> str | None:
    """Return what went wrong with a raster, None if it works or is refused with a sentence."""
    try:
        use_raster(path, folder)
    except UserError as error:
        is_sentence = error.message.endswith(".") and str(path.parent) not in error.message
        return None if is_sentence else f"{path}: no sentence for a user: {error.message}"
    except Exception as error:  # noqa: BLE001 - one report for all rasters
        return f"{path}: {error!r}"
    return None


@pytest.mark.parametrize("part", range(N_PARTS))
def test_each_works_or_is_refused_with_a_sentence(real_data: Path, tmp_path: Path, part: int) -> None:
    files = zoo_files(real_data / "geotiff_zoo")
    assert len(files) > 250
    failures = []
    for number, path in enumerate(itertools.islice(files, part, None, N_PARTS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        failures.append(describe_failure(path, folder))
        shutil.rmtree(folder)
    assert [failure for failure in failures if failure] == []
