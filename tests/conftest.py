"""Fixtures every test folder shares: tiny rasters of any kind, and where the real imagery lies.

With TEST_DATABASE=postgresql in the environment, databases that tests of this process open as SQLite files are
PostgreSQL ones instead; tests that look into such a file then fail.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import settings
from numpy.typing import DTypeLike, NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin
from sqlalchemy import URL, Engine

from tests.outside_servers import run_postgresql

UTM_50N = "EPSG:32650"

# No example is wrong because the machine is busy.
settings.register_profile("untimed", deadline=None, derandomize=True)
settings.load_profile("untimed")


def fabricate_bands(n_bands: int, height: int, width: int, dtype: DTypeLike) -> NDArray[np.generic]:
    """Return (n_bands, height, width) gradients that differ per band and never reach zero."""
    rows, cols = np.mgrid[0:height, 0:width]
    planes = [(rows * (band + 1) + cols * (n_bands - band)) % 200 + 20 for band in range(n_bands)]
    return np.stack(planes).astype(dtype)


@pytest.fixture
def make_raster(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of small rasters; every keyword has a plain default."""

    def write(
        name: str = "scene.tif",
        bands: NDArray[np.generic] | int = 3,
        *,
        size: tuple[int, int] = (64, 48),
        dtype: DTypeLike = "uint8",
        nodata: float | None = None,
        crs: str | None = UTM_50N,
        transform: Affine | None = None,
        **profile: object,
    ) -> Path:
        """Write `name` under the test's folder; `size` is (width, height), used when `bands` is a count."""
        values = bands if isinstance(bands, np.ndarray) else fabricate_bands(bands, size[1], size[0], dtype)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"driver": "GTiff", **profile}
        if crs is not None and transform is None:
            transform = from_origin(500_000, 4_400_000, 0.5, 0.5)
        if transform is not None:
            options["transform"] = transform
        count, height, width = values.shape
        options |= {"width": width, "height": height, "count": count, "dtype": values.dtype}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # some tests want exactly that
            with rasterio.open(path, "w", nodata=nodata, crs=crs, **options) as target:
                target.write(values)
        return path

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real imagery, or skip where it is absent."""
    folder = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real imagery not found at {folder}; set RS_DATA to its folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _chosen_database() -> Iterator[None]:
    """Put PostgreSQL under tests of SQLite where the environment asks for it."""
    if os.environ.get("TEST_DATABASE") != "postgresql":
        yield
        return
    from server import database

    with run_postgresql() as server, pytest.MonkeyPatch.context() as patch:

        def open_instead(url: URL) -> Engine:
            name = hashlib.sha256(str(url.database).encode()).hexdigest()[:32]
            return database._open_postgresql(database.read_url(server.make_database(name)))

        patch.setattr(database, "_open_sqlite", open_instead)
        yield
