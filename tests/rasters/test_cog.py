"""Large rasters are copied by a process that can be ended; what comes out is the same."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rasterio.errors import RasterioIOError

from server.errors import Cancelled
from server.rasters import cog
from server.rasters.cog import copy_to_cog
from server.rasters.opening import gdal_environment, open_raster


def never() -> None: ...


@pytest.mark.parametrize("limit", [0, cog.MAX_PIXELS_IN_PROCESS])
def test_both_ways_write_the_same(
    make_raster: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(cog, "MAX_PIXELS_IN_PROCESS", limit)
    source = make_raster(size=(700, 600), bands=1)
    with gdal_environment():
        copy_to_cog(source, tmp_path / "copy.tif", 420_000, never, blocksize=256, compress="DEFLATE")
    with open_raster(source) as before, open_raster(tmp_path / "copy.tif") as after:
        assert after.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.array_equal(before.read(), after.read())
        assert (before.crs, before.transform) == (after.crs, after.transform)


def test_a_large_copy_stops_at_once_and_leaves_nothing(
    make_raster: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cog, "MAX_PIXELS_IN_PROCESS", 0)
    source, target = make_raster(size=(4000, 4000), bands=1), tmp_path / "copy.tif"
    before = sorted(tmp_path.iterdir())
    asked = 0

    def stop_soon() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        copy_to_cog(source, target, 16_000_000, stop_soon, compress="LZMA")
    assert asked == 3
    time.sleep(3 * cog.CHECK_INTERVAL_S)
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_copy_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cog, "MAX_PIXELS_IN_PROCESS", 0)
    with pytest.raises(RasterioIOError, match=r"could not be copied: .*no_such\.tif: No such file"):
        copy_to_cog(tmp_path / "no_such.tif", tmp_path / "copy.tif", 1, never)


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cog, "MAX_PIXELS_IN_PROCESS", 0)
    monkeypatch.setattr(cog, "_COPY", "raise SystemExit('write failed: No space left on device')")
    with pytest.raises(OSError, match="No space") as caught:
        copy_to_cog(tmp_path / "draft.tif", tmp_path / "copy.tif", 1, never)
    assert caught.value.errno == errno.ENOSPC
