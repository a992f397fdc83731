"""Label rasters of any georeferencing, and the GeoPackage made from one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from server.vectors.geopackage import ObjectAttributes, write_objects

# 1 is a ring around 2; 3 has two parts that touch at a corner and one apart; 5 is a single pixel; 4 is absent.
SAMPLE = np.array(
    [
        [1, 1, 1, 1, 0, 0, 0, 5],
        [1, 2, 2, 1, 0, 3, 3, 0],
        [1, 2, 0, 1, 0, 3, 0, 0],
        [1, 1, 1, 1, 0, 0, 3, 3],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [3, 0, 0, 0, 0, 0, 0, 0],
    ],
    dtype=np.int32,
)


@pytest.fixture
def sample() -> np.ndarray:
    """Return int32 (6, 8) labels with holes, parts, and a missing id."""
    return SAMPLE.copy()


@pytest.fixture
def make_result(make_raster: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Return a writer of (labels.tif, objects.gpkg)."""

    def write(labels: np.ndarray, **georeferencing: object) -> tuple[Path, Path]:
        path = make_raster("labels.tif", labels[np.newaxis].astype(np.int32), **georeferencing)
        attributes = {1: ObjectAttributes(0.9, 0.8, (0.5, 1.25), "roof", "automatic, checkpoint embedded")}
        write_objects(path, tmp_path / "objects.gpkg", attributes)
        return path, tmp_path / "objects.gpkg"

    return write
