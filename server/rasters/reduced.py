"""Opens a raster at the resolution a picture needs, so that no picture costs more than its own pixels."""

from __future__ import annotations

import json
import math
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from server.errors import NoSuchRaster, StorageFull
from server.rasters.formats import STORED_STEM
from server.rasters.opening import open_raster
from server.rasters.remembered import remembered
from server.rasters.side_files import read_state

# A stored raster without overviews gets one copy reduced by this factor, with overviews of its own: what gdaladdo
# would add. A tile then never reads more than (256 x 2)^2 pixels of the original.
REDUCTION = 2
# Smaller rasters are decoded quickly enough as a whole.
MIN_REDUCED_PX = 2048
REDUCED_NAME = f"{STORED_STEM}.reduced.tif"
STATE_TAG = "SOURCE_STATE"
# Tiles of the copy have this side; TIFF wants a multiple of the unit.
TILE_PX, TILE_UNIT_PX = 256, 16
# Decoded pixels of the original held at a time while reducing.
CHUNK_BYTES = 32 * 2**20
# For decoding and compressing; more would take cores away from other visitors.
N_THREADS = 2
# Two requests must not reduce the same raster at once; different rasters rarely share one of these.
_LOCKS = tuple(threading.Lock() for _ in range(64))


@contextmanager
def open_reduced(path: Path, scale: float) -> Iterator[DatasetReader]:
    """Open a raster, or an overview or reduced copy of it, for a picture in which `scale` pixels become one.

    Args:
        path: the raster.
        scale: original pixels per picture pixel along one side; 1 and less always opens the raster itself.

    Yields:
        A dataset with the same bands, extent and georeferencing and `width`, `height` divided by at most `scale`.

    Raises:
        NotARaster: the raster cannot be read.
        StorageFull: there is no room for the reduced copy.
    """
    if scale >= REDUCTION and _needs_copy(path):
        path, scale = _require_copy(path), scale / REDUCTION
    with open_raster(path, overview_level=_find_level(_read_overviews(path), scale)) as raster:
        yield raster


def _find_level(overviews: Sequence[int], scale: float) -> int | None:
    """Return the coarsest overview that has at least the resolution wanted, None for the raster itself."""
    fitting = [(factor, level) for level, factor in enumerate(overviews) if factor <= scale]
    return max(fitting)[1] if fitting else None


@remembered
def _read_overviews(path: Path) -> list[int]:
    with open_raster(path) as raster:
        overviews: list[int] = raster.overviews(1)
        return overviews


def prepare_reduced(path: Path) -> None:
    """Make the reduced copy now where one will be needed, so that no crowd of tile requests waits for it.

    Raises:
        NotARaster: the raster cannot be read.
        StorageFull: there is no room for it.
    """
    if _needs_copy(path):
        _require_copy(path)


@remembered
def _needs_copy(path: Path) -> bool:
    with open_raster(path) as raster:
        return path.stem == STORED_STEM and max(raster.shape) > MIN_REDUCED_PX and not raster.overviews(1)


def _require_copy(path: Path) -> Path:
    """Return the reduced copy beside a stored raster; made on first use and again when the raster's files changed."""
    copy, state = path.with_name(REDUCED_NAME), json.dumps(read_state(path))
    with _LOCKS[hash(path) % len(_LOCKS)]:
        if not _is_current(copy, state):
            _make_copy(path, copy, state)
    return copy


def _is_current(copy: Path, state: str) -> bool:
    return copy.exists() and _read_source_state(copy) == state


@remembered
def _read_source_state(copy: Path) -> str | None:
    with open_raster(copy) as raster:
        source_state: str | None = raster.tags().get(STATE_TAG)
        return source_state


def _make_copy(path: Path, copy: Path, state: str) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".reduced-") as scratch:
            draft = Path(scratch) / copy.name
            with rasterio.Env(GDAL_NUM_THREADS=N_THREADS, GDAL_TIFF_INTERNAL_MASK=True), open_raster(path) as raster:
                _write_copy(raster, draft, state)
            os.replace(draft, copy)  # noqa: PTH105 - atomic on every system
    except FileNotFoundError as error:
        raise NoSuchRaster("The raster was deleted while it was being prepared.") from error


def _write_copy(raster: DatasetReader, draft: Path, state: str) -> None:
    resampling = Resampling.nearest if ColorInterp.palette in raster.colorinterp else Resampling.average
    try:
        with rasterio.open(draft, "w", **_profile(raster)) as copy:
            _copy_description(raster, copy)
            copy.update_tags(**{STATE_TAG: state})
            for source, target in _plan_chunks(raster):
                _copy_chunk(raster, copy, source, target, resampling)
        with rasterio.open(draft, "r+") as copy:
            n_levels = max(1, math.ceil(math.log2(max(copy.shape) / TILE_PX)))
            copy.build_overviews([2**level for level in range(1, n_levels + 1)], resampling)
    except RasterioError as error:
        if "No space left" in str(error.__cause__ or error):
            raise StorageFull("The server's disk is full; ask its operator to make room.") from error
        raise


def _profile(raster: DatasetReader) -> dict[str, Any]:
    width, height = -(-raster.width // REDUCTION), -(-raster.height // REDUCTION)
    tile_width, tile_height = _tile_shape(width, height)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "blockxsize": tile_width,
        "blockysize": tile_height,
        "count": raster.count,
        "dtype": np.result_type(*raster.dtypes),
        "nodata": raster.nodata,
        "tiled": True,
        "interleave": "pixel",
        "compress": "zstd",  # several times faster than deflate; nobody but this service reads the copy
        "zstd_level": 1,
        "bigtiff": "if_safer",
    }
    gcps, gcp_crs = raster.gcps
    if not raster.transform.is_identity:
        grow = Affine.scale(raster.width / width, raster.height / height)
        return profile | {"crs": raster.crs, "transform": raster.transform @ grow}
    if gcps:
        # Points without any CRS object would not be written; an empty one says that it is unknown.
        return profile | {"crs": gcp_crs or CRS(), "gcps": [_shrink(point, raster, width, height) for point in gcps]}
    return profile


def _tile_shape(width: int, height: int) -> tuple[int, int]:
    """Return width and height of tiles that hold as many pixels as usual where the raster is narrower than a tile.

    A raster of two columns and a million rows would otherwise be computed with as if it had 256 columns.
    """
    across, down = (min(TILE_PX, _round_up(side, TILE_UNIT_PX)) for side in (width, height))
    if across < TILE_PX:
        return across, min(TILE_PX**2 // across // TILE_UNIT_PX * TILE_UNIT_PX, _round_up(height, TILE_UNIT_PX))
    return min(TILE_PX**2 // down // TILE_UNIT_PX * TILE_UNIT_PX, _round_up(width, TILE_UNIT_PX)), down


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _shrink(point: GroundControlPoint, raster: DatasetReader, width: int, height: int) -> GroundControlPoint:
    row, col = point.row * height / raster.height, point.col * width / raster.width
    return GroundControlPoint(row, col, point.x, point.y, point.z)


def _copy_description(raster: DatasetReader, copy: DatasetWriter) -> None:
    copy.colorinterp = raster.colorinterp
    if raster.colorinterp[0] == ColorInterp.palette:
        copy.write_colormap(1, raster.colormap(1))


def _plan_chunks(raster: DatasetReader) -> Iterator[tuple[Window, Window]]:
    """Yield matching windows of raster and copy, cut along blocks so that each block is decoded once."""
    block_height, block_width = raster.block_shapes[0]
    row_bytes = raster.width * raster.count * np.dtype(raster.dtypes[0]).itemsize
    unit = math.lcm(block_height, REDUCTION)
    rows = max(unit, CHUNK_BYTES // row_bytes // unit * unit)
    unit = math.lcm(block_width, REDUCTION)
    columns = max(unit, CHUNK_BYTES // (rows * row_bytes // raster.width) // unit * unit)
    for row in range(0, raster.height, rows):
        for col in range(0, raster.width, columns):
            height, width = min(rows, raster.height - row), min(columns, raster.width - col)
            target = Window(col // REDUCTION, row // REDUCTION, -(-width // REDUCTION), -(-height // REDUCTION))
            yield Window(col, row, width, height), target


def _copy_chunk(
    raster: DatasetReader, copy: DatasetWriter, source: Window, target: Window, resampling: Resampling
) -> None:
    shape = (target.height, target.width)
    for index in raster.indexes:
        copy.write(raster.read(index, window=source, out_shape=shape, resampling=resampling), index, window=target)
    flags = raster.mask_flag_enums[0]
    if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        copy.write_mask(raster.read_masks(1, window=source, out_shape=shape), window=target)
