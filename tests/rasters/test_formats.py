"""Names of side files and formats by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.rasters.formats import (
    ALLOWED_DRIVERS,
    SIDE_FILE_SUFFIXES,
    canonical_side_file_name,
    detect_format,
    is_side_file,
    side_file_stem,
    suffix_of_driver,
)


def test_side_file_suffixes_are_those_of_the_contract() -> None:
    contract = ".tfw .tifw .wld .jgw .pgw .j2w .prj .aux.xml .ovr .rrd .msk .rpb _rpc.txt"
    assert set(contract.split()) == SIDE_FILE_SUFFIXES


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.tif", "a"),
        ("a.tfw", "a"),
        ("a.tif.aux.xml", "a"),
        ("a.aux.xml", "a"),
        ("a_rpc.txt", "a"),
        ("A_RPC.TXT", "A"),
        ("a.tif.ovr", "a"),
        ("a.JP2.MSK", "a"),
        ("two.dots.prj", "two.dots"),
        ("two.dots.tif", "two.dots"),
        ("影像 一.tif.aux.xml", "影像 一"),
    ],
)
def test_stem_joins_raster_and_side_files(name: str, stem: str) -> None:
    assert side_file_stem(name) == stem


@pytest.mark.parametrize("name", ["a.tif", "a.xml", "rpc.txt", "a.txt", ".tfw", "aux.xml", "a.vrt", ""])
def test_other_names_are_no_side_files(name: str) -> None:
    assert not is_side_file(name)
    with pytest.raises(ValueError, match="no side file"):
        canonical_side_file_name(name, ".tif")


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("a.wld", ".tif", "source.tfw"),
        ("a.TIFW", ".tif", "source.tfw"),
        ("a.tfw", ".jpg", "source.jgw"),
        ("a.wld", ".png", "source.pgw"),
        ("a.wld", ".jp2", "source.j2w"),
        ("a.aux.xml", ".jpg", "source.jpg.aux.xml"),
        ("a.jpeg.ovr", ".jpg", "source.jpg.ovr"),
        ("a.tif.msk", ".tif", "source.tif.msk"),
        ("a.PRJ", ".tif", "source.prj"),
    ],
)
def test_canonical_names(name: str, suffix: str, expected: str) -> None:
    assert canonical_side_file_name(name, suffix) == expected


@pytest.mark.parametrize("driver", ALLOWED_DRIVERS)
def test_format_is_told_by_content(driver: str, make_raster: Callable[..., Path], tmp_path: Path) -> None:
    path = make_raster(f"scene{suffix_of_driver(driver)}", driver=driver).rename(tmp_path / "misnamed.dat")
    found = detect_format(path)
    assert found is not None
    assert (found.driver, found.suffix) == (driver, suffix_of_driver(driver))


def test_other_content_has_no_format(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_text("<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    assert detect_format(path) is None
    path.write_bytes(b"")
    assert detect_format(path) is None
