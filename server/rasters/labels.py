"""Writes rasters: labels window by window into a cloud-optimised GeoTIFF that lies where its source lies."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from server.rasters.cog import copy_to_cog
from server.rasters.opening import gdal_environment, open_raster, quieten_rasterio
from server.rasters.windows import PixelWindow

BACKGROUND = 0
_BLOCK_SIZE = 512
_TILED = {"driver": "GTiff", "tiled": True, "blockxsize": _BLOCK_SIZE, "blockysize": _BLOCK_SIZE}
# Integers of neighbouring pixels are mostly equal: differences (predictor 2) compress several times better.
_COMPRESSED = {"compress": "DEFLATE", "predictor": 2, "bigtiff": "IF_SAFER"}


@dataclass(frozen=True)
class _Georeferencing:
    """Where a raster lies, in the form that rasterio takes when a new one is made.

    Attributes:
        creation: `crs` and `transform`, each only if there is one.
        gcps: ground control points and their CRS, an empty one where it is unknown, because rasterio writes no points
            without; None without them or where a transform takes their place.
        rpc_tags: items of GDAL's RPC metadata domain.
    """

    creation: dict[str, Any]
    gcps: tuple[list[GroundControlPoint], CRS] | None
    rpc_tags: dict[str, str]


def _read_georeferencing(raster: DatasetReader) -> _Georeferencing:
    points, gcp_crs = raster.gcps
    creation: dict[str, Any] = {}
    # rasterio gives the identity for "no transform"; writing it would claim a place.
    if not raster.transform.is_identity:
        creation["transform"] = raster.transform
    by_points = bool(points) and "transform" not in creation
    if raster.crs and not by_points:
        creation["crs"] = raster.crs
    return _Georeferencing(creation, (points, gcp_crs or CRS()) if by_points else None, raster.tags(ns="RPC"))


@dataclass(frozen=True)
class Palette:
    """What the values of a class raster mean.

    Attributes:
        names: of the classes by value, 0..255.
        colours: red, green, blue, 0..255 each, of the same values.
        background: value of pixels of no class, transparent and nodata.
    """

    names: Mapping[int, str]
    colours: Mapping[int, tuple[int, int, int]]
    background: int = BACKGROUND


class LabelCanvas:
    """An int32 raster the size of its source, all background at first, written window by window.

    With a palette it is a uint8 raster with a colour table instead. Pixels wait in a temporary file, so memory does
    not grow with the raster. Use it with `with`: the temporary file disappears at the end.

    Attributes:
        width: of the source in pixels.
        height: of the source in pixels.
    """

    def __init__(self, source: Path, folder: Path, palette: Palette | None = None) -> None:
        """Prepare labels for `source`; the temporary file goes into `folder`.

        Raises:
            NotARaster: the source cannot be read.
        """
        with open_raster(source) as raster:
            self.width, self.height = raster.width, raster.height
            self._georeferencing = _read_georeferencing(raster)
        self._palette = palette
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        quieten_rasterio()
        with ExitStack() as stack:
            stack.enter_context(gdal_environment())
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="labels-", dir=self._folder))
            self._draft_path = Path(scratch) / "draft.tif"
            self._draft: DatasetWriter = stack.enter_context(self._open_draft())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, window: PixelWindow, labels: NDArray[np.int32] | NDArray[np.uint8]) -> None:
        """Replace the labels of a window.

        Args:
            window: inside the raster.
            labels: int32, with a palette uint8, (window.height, window.width), 0 background.
        """
        self._draft.write(labels, 1, window=Window(*_sides(window)))

    def read(self, window: PixelWindow) -> NDArray[np.int32]:
        """Return int32 (window.height, window.width): what was written there, 0 elsewhere."""
        labels: NDArray[np.int32] = self._draft.read(1, window=Window(*_sides(window)))
        return labels

    def write_cog(self, target: Path, check: Callable[[], None] = lambda: None) -> None:
        """Write what was painted as a cloud-optimised GeoTIFF and end the painting.

        Nodata is the background, overviews never mix ids, georeferenced like the source: CRS and transform, ground
        control points or rational polynomials, or nothing where the source has nothing.

        Args:
            target: the file to write.
            check: called now and then; may raise to stop.
        """
        self._draft.close()
        copy_to_cog(
            self._draft_path,
            target,
            self.width * self.height,
            check,
            blocksize=_BLOCK_SIZE,
            resampling="NEAREST",
            overviews="AUTO",
            num_threads=2,
            **_COMPRESSED,
        )

    def _open_draft(self) -> DatasetWriter:
        placed = self._georeferencing
        draft = rasterio.open(
            self._draft_path,
            "w+",
            width=self.width,
            height=self.height,
            count=1,
            dtype="int32" if self._palette is None else "uint8",
            nodata=BACKGROUND if self._palette is None else self._palette.background,
            sparse_ok=True,
            photometric="MINISBLACK" if self._palette is None else "PALETTE",
            **_TILED,
            **{**_COMPRESSED, "zlevel": 1},
            **placed.creation,
        )
        if placed.gcps:
            draft.gcps = placed.gcps
        if placed.rpc_tags:
            draft.update_tags(ns="RPC", **placed.rpc_tags)
        if self._palette is not None:
            _write_palette(draft, self._palette)
        return draft


def _write_palette(draft: DatasetWriter, palette: Palette) -> None:
    """Give values their colours, and tell their names in the metadata; the background is transparent."""
    opaque = {value: (*colour, 255) for value, colour in palette.colours.items()}
    draft.write_colormap(1, {palette.background: (0, 0, 0, 0), **opaque})
    draft.update_tags(CLASSES=json.dumps(dict(palette.names), ensure_ascii=False))


def _sides(window: PixelWindow) -> tuple[int, int, int, int]:
    return window.col, window.row, window.width, window.height


def read_class_palette(path: Path) -> Palette | None:
    """Return the palette that a class raster was written with; None for labels."""
    with open_raster(path) as raster:
        tags = raster.tags()
        if "CLASSES" not in tags:
            return None
        names = {int(value): name for value, name in json.loads(tags["CLASSES"]).items()}
        table = raster.colormap(1)
    return Palette(names, {value: table[value][:3] for value in names})


def read_label_at(path: Path, col: int, row: int) -> int:
    """Return the label of one pixel, 0 for background and outside the raster."""
    with open_raster(path) as raster:
        if not (0 <= col < raster.width and 0 <= row < raster.height):
            return BACKGROUND
        return int(raster.read(1, window=Window(col, row, 1, 1))[0, 0])


def write_bands(
    path: Path,
    bands: NDArray[np.generic],
    *,
    crs: str,
    transform: Affine,
    nodata: float | None,
    descriptions: Sequence[str],
) -> None:
    """Write an array as a tiled, compressed GeoTIFF with overviews.

    Args:
        path: the file to write.
        bands: (C, H, W) of any integer or float type.
        crs: anything that names one, such as "EPSG:32650".
        transform: pixels to `crs`.
        nodata: value of pixels without data, None where all have data.
        descriptions: C names of bands.
    """
    count, height, width = bands.shape
    predictor = 3 if np.issubdtype(bands.dtype, np.floating) else 2
    profile = {**_TILED, **_COMPRESSED, "predictor": predictor, "crs": crs, "transform": transform, "nodata": nodata}
    with (
        gdal_environment(),
        rasterio.open(path, "w", width=width, height=height, count=count, dtype=bands.dtype, **profile) as target,
    ):
        target.write(bands)
        target.descriptions = tuple(descriptions)
        target.build_overviews(_overview_factors(width, height), Resampling.average)


def _overview_factors(width: int, height: int) -> list[int]:
    """Return the powers of two down to the one that shows the whole raster in one block."""
    factors = [2]
    while max(width, height) / factors[-1] > _BLOCK_SIZE:
        factors.append(factors[-1] * 2)
    return factors
