"""Annotation layers on every kind of raster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from server.vectors.annotated import AnnotatedObject
from server.vectors.exchange import Layer
from tests.vectors.exchange.layers import CLASSES, POINTS, SPACES, make_sample, write_raster


@pytest.fixture(scope="session")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return a raster of 60 x 40 pixels for each of `SPACES`, and one placed by control points."""
    folder = tmp_path_factory.mktemp("rasters")
    found = {name: write_raster(folder / f"{name}.tif", *space) for name, space in SPACES.items()}
    found["control points"] = write_raster(folder / "points.tif", "EPSG:4326", None, gcps=POINTS)
    return found


@pytest.fixture
def make_layer(rasters: Mapping[str, Path]) -> Callable[..., Layer]:
    """Return a maker of layers on one of the rasters, with three objects by default."""

    def make(space: str = "north up", objects: Sequence[AnnotatedObject] | None = None) -> Layer:
        return Layer(make_sample() if objects is None else objects, CLASSES, rasters[space], "my scene.tif")

    return make
