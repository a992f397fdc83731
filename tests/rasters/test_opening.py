"""What is opened and what is refused: formats, sizes, damage, references to other files."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from server.errors import NotARaster, TooLarge
from server.rasters.opening import check_raster, open_raster, raster_suffix

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
PROFILES: dict[str, dict[str, object]] = {
    "strips.tif": {},
    "tiles.tif": {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"},
    "jpeg.tif": {"tiled": True, "compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"},
    "bands.tif": {"interleave": "band", "compress": "lzw"},
    "big.tif": {"bigtiff": "YES"},
    "cloud.tif": {"driver": "COG", "compress": "deflate"},
    "picture.png": {"driver": "PNG"},
    "picture.jpg": {"driver": "JPEG"},
    "progressive.jpg": {"driver": "JPEG", "progressive": "YES"},
    "waves.jp2": {"driver": "JP2OpenJPEG"},
}
MAX_PIXELS = 10**6


def draw(size: int = 500) -> np.ndarray:
    """Return uint8 (3, size, size) with enough noise not to compress to nothing."""
    rows, cols = np.mgrid[0:size, 0:size]
    smooth = np.stack([(rows * (band + 1) + cols) % 256 for band in range(3)])
    smooth[:, ::3] = np.random.default_rng(0).integers(0, 256, smooth[:, ::3].shape)
    return smooth.astype(np.uint8)


@pytest.mark.parametrize("name", PROFILES)
def test_allowed_formats(make_raster: Callable[..., Path], name: str) -> None:
    path = make_raster(name, draw(), **PROFILES[name])
    check_raster(path, max_pixels=MAX_PIXELS)
    assert raster_suffix(path) == path.suffix
    with open_raster(path) as raster:
        assert (raster.width, raster.height, raster.count) == (500, 500, 3)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9, 0.99])
def test_truncated_files_are_refused(make_raster: Callable[..., Path], name: str, share: float) -> None:
    path = make_raster(name, draw(), **PROFILES[name])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(NotARaster) as caught:
        check_raster(path, max_pixels=MAX_PIXELS)
    assert str(path.parent) not in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.field == "file"


def test_damage_in_the_middle_of_a_small_file_is_found(make_raster: Callable[..., Path]) -> None:
    path = make_raster("a.tif", draw(), **PROFILES["tiles.tif"])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(NotARaster):
        check_raster(path, max_pixels=MAX_PIXELS)


def test_damage_found_while_reading_is_the_files_fault(make_raster: Callable[..., Path]) -> None:
    path = make_raster("a.tif", draw(), **PROFILES["tiles.tif"])
    path.write_bytes(path.read_bytes()[:100_000])

    def read() -> None:
        with open_raster(path) as raster:
            raster.read()

    with pytest.raises(NotARaster):
        read()


@pytest.mark.parametrize("name", ["a.vrt", "a.tif", "a.png"])
def test_references_in_disguise_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(
        '<VRTDataset rasterXSize="5" rasterYSize="5">'
        '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
        "<SourceFilename>/etc/passwd</SourceFilename></VRTRasterBand></VRTDataset>"
    )
    for function in (raster_suffix, lambda path: check_raster(path, max_pixels=MAX_PIXELS)):
        with pytest.raises(NotARaster, match="none of the allowed formats"):
            function(path)


@pytest.mark.parametrize(
    ("domain", "key"), [("OVERVIEWS", "OVERVIEW_FILE"), ("GEOLOCATION", "X_DATASET")], ids=["overviews", "geolocation"]
)
@pytest.mark.parametrize("place", ["inside", "beside"])
def test_references_to_other_files_are_refused(
    make_raster: Callable[..., Path], domain: str, key: str, place: str
) -> None:
    path = make_raster("a.tif" if place == "inside" else "a.png", driver="GTiff" if place == "inside" else "PNG")
    other = make_raster("other.tif", size=(32, 24))
    if place == "inside":
        with rasterio.open(path, "r+") as raster:
            raster.update_tags(ns=domain, **{key: str(other)})
    else:
        path.with_name("a.png.aux.xml").write_text(
            f'<PAMDataset><Metadata domain="{domain}"><MDI key="{key}">{other}</MDI></Metadata></PAMDataset>'
        )
    with pytest.raises(NotARaster, match="refers to other files"):
        check_raster(path, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("path", ["nothing.tif", "/vsicurl/http://127.0.0.1/a.tif", "GTIFF_DIR:1:scene.tif", "."])
def test_only_files_are_opened(make_raster: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(make_raster().parent)
    with pytest.raises(NotARaster):
        check_raster(Path(path), max_pixels=MAX_PIXELS)


def test_relative_paths_are_opened(make_raster: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_raster().parent)
    check_raster(Path("scene.tif"), max_pixels=MAX_PIXELS)


def test_a_small_file_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 16384, "blockysize": 16384, "compress": "deflate"}
    options = {"width": 400_000, "height": 400_000, "count": 1, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(path, "w", **profile, **options):
        pass
    assert path.stat().st_size < 20_000
    with pytest.raises(TooLarge, match="400,000 x 400,000") as caught:
        check_raster(path, max_pixels=10**9)
    assert caught.value.field == "file"


def test_the_pixel_limit_is_inclusive(make_raster: Callable[..., Path]) -> None:
    path = make_raster(size=(64, 48))
    check_raster(path, max_pixels=64 * 48)
    with pytest.raises(TooLarge):
        check_raster(path, max_pixels=64 * 48 - 1)


def test_blocks_that_need_too_much_memory_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "block.tif"
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 32768, "blockysize": 16384, "compress": "deflate"}
    options = {"width": 32768, "height": 16384, "count": 1, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(path, "w", **profile, **options):
        pass
    with pytest.raises(TooLarge, match="blocks"):
        check_raster(path, max_pixels=10**12)


def test_an_overview_larger_than_the_raster_is_refused(make_raster: Callable[..., Path]) -> None:
    path = make_raster(size=(64, 48))
    make_raster("larger.tif", size=(640, 480)).rename(path.with_name(f"{path.name}.ovr"))
    with pytest.raises(NotARaster, match="overview larger than itself"):
        check_raster(path, max_pixels=10**6)


def test_colours_that_rasterio_has_no_name_for_are_no_obstacle(make_raster: Callable[..., Path]) -> None:
    """LogLuv, 32845 in SGI's compression 34676, is such a way to tell colours."""
    path = make_raster(interleave="pixel", photometric="rgb")
    content = path.read_bytes()
    for tag, value, log_luv in ((259, 1, 34676), (262, 2, 32845)):
        before, after = (struct.pack("<HHIHH", tag, 3, 1, item, 0) for item in (value, log_luv))
        assert content.count(before) == 1
        content = content.replace(before, after)
    path.write_bytes(content)
    with rasterio.open(path) as raster, pytest.raises(ValueError, match="LOGLUV"):
        _ = raster.profile
    check_raster(path, max_pixels=10**6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_real_numbers_are_taken(make_raster: Callable[..., Path], dtype: str) -> None:
    check_raster(make_raster(dtype=dtype), max_pixels=MAX_PIXELS)


def test_complex_numbers_are_refused(make_raster: Callable[..., Path]) -> None:
    with pytest.raises(NotARaster, match="complex"):
        check_raster(make_raster(dtype="complex64"), max_pixels=MAX_PIXELS)


def test_several_pages_are_refused(make_raster: Callable[..., Path]) -> None:
    path = make_raster()
    with rasterio.open(path) as raster:
        profile, values = raster.profile, raster.read()
    with rasterio.open(path, "w", **profile, append_subdataset="YES") as raster:
        raster.write(values)
    with pytest.raises(NotARaster, match="2 images"):
        check_raster(path, max_pixels=MAX_PIXELS)


def test_reading_writes_nothing(make_raster: Callable[..., Path]) -> None:
    path = make_raster("folder/a.png", driver="PNG", crs=None)
    for _ in range(2):
        check_raster(path, max_pixels=MAX_PIXELS)
        with open_raster(path) as raster:
            raster.read(out_shape=(3, 10, 10))
            raster.read_masks()
    assert [item.name for item in path.parent.iterdir()] == ["a.png"]


def test_side_files_can_be_left_aside(make_raster: Callable[..., Path]) -> None:
    path = make_raster("a.png", driver="PNG")
    with open_raster(path) as with_them, open_raster(path, use_side_files=False) as without:
        assert with_them.crs is not None
        assert without.crs is None


def test_missing_georeferencing_is_no_warning_in_any_thread(make_raster: Callable[..., Path]) -> None:
    path = make_raster(crs=None)
    caught: list[BaseException] = []

    def look() -> None:
        try:
            with open_raster(path) as raster:
                assert raster.transform.is_identity
                assert raster.bounds.right == 64
        except BaseException as error:  # noqa: BLE001 - shown in the main thread
            caught.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert caught == []
