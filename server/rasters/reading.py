"""Reads bands together with where they are valid, and turns palettes into colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

Values = NDArray[np.generic]
Valid = NDArray[np.bool_]


def read_bands(
    raster: DatasetReader,
    band_indexes: Sequence[int],
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
    resampling: Resampling = Resampling.nearest,
) -> tuple[Values, Valid]:
    """Read bands and tell band by band where they hold data.

    Args:
        raster: an open raster.
        band_indexes: C indexes, counted from 1.
        window: part to read; None means all.
        shape: (rows, columns) of the answer; None means one value per pixel. Overviews are used where they exist.
        resampling: how several pixels become one.

    Returns:
        Values (C, H, W) in the raster's type and valid (C, H, W): False for nodata, NaN, infinity, masked-out and
        fully transparent pixels.
    """
    unique = sorted(set(band_indexes))
    options = {"window": window, "resampling": resampling}
    if shape is not None:
        options["out_shape"] = (len(unique), *shape)
    dtypes = {raster.dtypes[index - 1] for index in unique}
    out_dtype = np.result_type(*dtypes) if len(dtypes) > 1 else None
    values = raster.read(unique, out_dtype=out_dtype, **options)
    valid = _read_valid(raster, unique, values, options)
    places = [unique.index(index) for index in band_indexes]
    return values[places], valid[places]


def _read_valid(
    raster: DatasetReader, band_indexes: Sequence[int], values: Values, options: dict[str, object]
) -> Valid:
    flags = [raster.mask_flag_enums[index - 1] for index in band_indexes]
    if all(MaskFlags.all_valid in item for item in flags):
        valid = np.ones(values.shape, dtype=np.bool_)
    else:
        valid = raster.read_masks(band_indexes, **options) > 0
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    if raster.nodata is not None and any(MaskFlags.nodata not in item for item in flags):
        valid &= values != raster.nodata  # GDAL drops nodata where there is a mask as well
    alpha = find_alpha(raster)
    if alpha is not None:
        alpha_options = {key: value for key, value in options.items() if key != "out_shape"}
        valid &= raster.read(alpha, out_shape=values.shape[1:], **alpha_options) > 0
    return valid


def find_alpha(raster: DatasetReader | WarpedVRT) -> int | None:
    """Return the index of the alpha band, None where there is none."""
    return next((index for index in raster.indexes if raster.colorinterp[index - 1] == ColorInterp.alpha), None)


def read_palette(raster: DatasetReader, band_indexes: Sequence[int]) -> NDArray[np.uint8] | None:
    """Return the colour table (N, 4) RGBA when all of `band_indexes` name one band with a palette, else None."""
    first = band_indexes[0]
    if set(band_indexes) != {first} or raster.colorinterp[first - 1] != ColorInterp.palette:
        return None
    try:
        entries = raster.colormap(first)
    except ValueError:  # the band says palette and has no table
        return None
    table = np.zeros((max(entries) + 1, 4), dtype=np.uint8)
    for value, colour in entries.items():
        table[value] = colour
    return table


def expand_palette(values: Values, valid: Valid, palette: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Valid]:
    """Look colours up.

    Args:
        values: (H, W) indexes into the palette.
        valid: (H, W).
        palette: (N, 4) RGBA.

    Returns:
        Colours (3, H, W) and valid (H, W), False also for fully transparent and missing entries.
    """
    numbers = values.astype(np.intp)
    inside = (numbers >= 0) & (numbers < len(palette))
    colours = palette[np.where(inside, numbers, 0)]
    return np.moveaxis(colours[..., :3], -1, 0), valid & inside & (colours[..., 3] > 0)
