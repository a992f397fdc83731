"""Label rasters lie where their source lies, whatever kind of georeferencing it has, and hold what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from server.errors import NotARaster, UserError
from server.rasters.labels import LabelCanvas, read_label_at, write_bands
from server.rasters.opening import check_raster, open_raster
from server.rasters.windows import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
ROTATED = Affine(0.5, 0.2, 500_000.0, 0.2, -0.5, 4_400_000.0)
SOUTH_UP = Affine(0.5, 0.0, 500_000.0, 0.0, 0.5, 4_400_000.0)
GCPS = [
    GroundControlPoint(row=0, col=0, x=117.0, y=40.0),
    GroundControlPoint(row=0, col=64, x=117.1, y=40.0),
    GroundControlPoint(row=48, col=0, x=117.0, y=39.9),
    GroundControlPoint(row=48, col=64, x=117.1, y=39.9),
]
RPC_TAGS = {
    **{f"{axis}_{kind}": "1" for axis in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT") for kind in ("OFF", "SCALE")},
    **{f"{name}_COEFF": " ".join(["0.5"] * 20) for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN")},
}


def write_all(source: Path, target: Path, labels: np.ndarray) -> None:
    height, width = labels.shape
    with LabelCanvas(source, target.parent) as canvas:
        assert (canvas.width, canvas.height) == (width, height)
        canvas.write(PixelWindow(0, 0, width, height), labels)
        canvas.write_cog(target)


def number(width: int, height: int) -> np.ndarray:
    return np.arange(width * height, dtype=np.int32).reshape(height, width)


@pytest.mark.parametrize("transform", [None, ROTATED, SOUTH_UP, Affine.identity()])
def test_place_and_values_survive(make_raster: Callable[..., Path], tmp_path: Path, transform: Affine | None) -> None:
    source, target = make_raster(transform=transform, nodata=7), tmp_path / "labels.tif"
    labels = number(64, 48)
    write_all(source, target, labels)
    with open_raster(source) as before, open_raster(target) as after:
        assert np.array_equal(after.read(1), labels)
        assert after.dtypes == ("int32",)
        assert after.nodata == 0
        assert after.crs == before.crs
        assert after.transform == before.transform
        assert after.compression.name == "deflate"
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "labels.tif"}


def test_no_place_stays_none(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    source, target = make_raster(crs=None), tmp_path / "labels.tif"
    write_all(source, target, number(64, 48))
    with open_raster(target) as after:
        assert after.crs is None
        assert after.transform.is_identity
        assert after.gcps == ([], None)
        assert after.rpcs is None


@pytest.mark.parametrize("crs", [rasterio.CRS.from_epsg(4326), rasterio.CRS()])
def test_ground_control_points_survive(make_raster: Callable[..., Path], tmp_path: Path, crs: rasterio.CRS) -> None:
    source, target = make_raster(crs=None), tmp_path / "labels.tif"
    with rasterio.open(source, "r+") as raster:
        raster.gcps = (GCPS, crs)
    write_all(source, target, number(64, 48))
    with open_raster(target) as after:
        points, crs_after = after.gcps
        assert crs_after == (crs or None)
        assert [(p.row, p.col, p.x, p.y) for p in points] == [(p.row, p.col, p.x, p.y) for p in GCPS]


def test_rational_polynomials_survive(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    source, target = make_raster(crs="EPSG:4326", transform=Affine.identity()), tmp_path / "labels.tif"
    with rasterio.open(source, "r+") as raster:
        raster.update_tags(ns="RPC", **RPC_TAGS)
    write_all(source, target, number(64, 48))
    with open_raster(source) as before, open_raster(target) as after:
        assert before.rpcs is not None
        assert after.rpcs == before.rpcs
        assert after.crs == before.crs


def list_real_places(folder: Path) -> list[Path]:
    """Return small rasters that differ in their kind of georeferencing or their CRS."""
    found = {}
    for path in sorted(folder.rglob("*.tif")):
        try:
            check_raster(path, max_pixels=2_000_000)
        except UserError:
            continue
        with open_raster(path) as raster:
            kind = (raster.transform.is_rectilinear, raster.transform.e > 0, len(raster.gcps[0]), raster.rpcs is None)
            found.setdefault((str(raster.crs), *kind), path)
    return list(found.values())


def test_real_places_survive(real_data: Path, tmp_path: Path) -> None:
    sources = list_real_places(real_data / "geotiff_zoo")
    assert len(sources) > 20
    for number, source in enumerate(sources):
        target = tmp_path / f"{number}.tif"
        with LabelCanvas(source, tmp_path) as canvas:
            canvas.write_cog(target)
        with open_raster(source) as before, open_raster(target) as after:
            assert (after.width, after.height) == (before.width, before.height), source
            assert after.crs == before.crs, source
            assert after.transform.almost_equals(before.transform, 1e-9), source
            assert len(after.gcps[0]) == len(before.gcps[0]), source
            assert (after.rpcs is None) == (before.rpcs is None), source
    assert not list(tmp_path.glob("*.xml"))


def test_windows_are_written_and_read_back(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    source = make_raster(size=(1100, 700), bands=1)
    with LabelCanvas(source, tmp_path) as canvas:
        window = PixelWindow(500, 500, 600, 200)
        canvas.write(window, np.full((200, 600), 2**31 - 1, dtype=np.int32))
        canvas.write(PixelWindow(510, 505, 2, 1), np.array([[5, 6]], dtype=np.int32))
        part = canvas.read(PixelWindow(509, 505, 4, 1))
        assert part.tolist() == [[2**31 - 1, 5, 6, 2**31 - 1]]
        assert not canvas.read(PixelWindow(0, 0, 500, 500)).any()
        canvas.write_cog(tmp_path / "labels.tif")
    with open_raster(tmp_path / "labels.tif") as after:
        assert after.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert after.overviews(1) == [2, 4]
        assert after.block_shapes == [(512, 512)]
    with open_raster(tmp_path / "labels.tif", overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) <= {0, 5, 6, 2**31 - 1}


def test_nothing_stays_after_an_error(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    source = make_raster()

    def fail() -> None:
        with LabelCanvas(source, tmp_path) as canvas:
            canvas.write(PixelWindow(0, 0, 1, 1), np.ones((1, 1), dtype=np.int32))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_source_must_be_a_raster(tmp_path: Path) -> None:
    with pytest.raises(NotARaster):
        LabelCanvas(tmp_path / "nothing.tif", tmp_path)


@pytest.mark.parametrize(("col", "row", "label"), [(3, 2, 131), (63, 47, 3071), (-1, 0, 0), (64, 0, 0), (0, 48, 0)])
def test_label_at(make_raster: Callable[..., Path], col: int, row: int, label: int) -> None:
    labels = make_raster("labels.tif", number(64, 48)[np.newaxis])
    assert read_label_at(labels, col, row) == label


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_bands_are_written_with_overviews(tmp_path: Path, dtype: str) -> None:
    bands = np.arange(2 * 600 * 1300).reshape(2, 600, 1300).astype(dtype)
    path = tmp_path / "bands.tif"
    write_bands(path, bands, crs="EPSG:32650", transform=ROTATED, nodata=0, descriptions=("red", "near infrared"))
    with open_raster(path) as raster:
        assert np.array_equal(raster.read(), bands)
        assert raster.descriptions == ("red", "near infrared")
        assert (raster.crs.to_epsg(), raster.transform, raster.nodata) == (32650, ROTATED, 0)
        assert raster.overviews(1) == [2, 4]
        assert raster.block_shapes == [(512, 512)] * 2
