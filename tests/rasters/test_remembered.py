"""Facts of rasters are read once, and again where a file has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from server.errors import NotARaster
from server.rasters.look import default_band_indexes
from server.rasters.remembered import remembered, remembered_by_thread


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "raster.tif"
    path.write_bytes(b"first")
    return path


def test_a_raster_that_has_not_changed_is_read_once(source: Path) -> None:
    read: list[Path] = []
    fact = remembered(lambda path: read.append(path) or len(read))
    assert (fact(source), fact(source)) == (1, 1)


def test_a_changed_file_is_read_again(source: Path) -> None:
    fact = remembered(Path.read_bytes)
    assert fact(source) == b"first"
    source.write_bytes(b"other")
    os.utime(source, ns=(1, 1))
    assert fact(source) == b"other"


def test_a_new_side_file_counts_as_a_change(source: Path) -> None:
    fact = remembered(lambda path: sorted(item.name for item in path.parent.iterdir()))
    assert fact(source) == ["raster.tif"]
    source.with_name("raster.tif.aux.xml").write_text("<PAMDataset/>")
    assert fact(source) == ["raster.tif", "raster.tif.aux.xml"]


@pytest.mark.parametrize(("remember", "is_shared"), [(remembered, True), (remembered_by_thread, False)])
def test_threads_share_plain_values_and_no_handles(
    remember: Callable[[Callable[[Path], object]], Callable[[Path], object]], is_shared: bool, source: Path
) -> None:
    fact = remember(lambda _: object())
    facts = [fact(source)]
    other = Thread(target=lambda: facts.append(fact(source)))
    other.start()
    other.join()
    assert (facts[0] is facts[1]) == is_shared
    assert facts[0] is fact(source)


def test_other_choices_are_read_apart(source: Path) -> None:
    fact = remembered(lambda path, band: (path.name, band))
    assert (fact(source, 1), fact(source, 2), fact(source, 1)) == (
        (source.name, 1),
        (source.name, 2),
        (source.name, 1),
    )


def test_a_missing_file_is_no_raster(tmp_path: Path) -> None:
    with pytest.raises(NotARaster):
        default_band_indexes(tmp_path / "gone.tif")
