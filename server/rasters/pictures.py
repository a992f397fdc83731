"""Turns parts of an open raster into 8-bit RGB and into PNG files, for patches, previews and tiles alike."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio import DatasetReader
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from server.rasters.reading import read_bands
from server.rasters.stretch import Stretch, apply_stretch

Picture = tuple[NDArray[np.uint8], NDArray[np.bool_]]
# Fast, and within a few per cent of the best size for imagery.
PNG_LEVEL = 3


def read_picture(
    raster: DatasetReader,
    band_indexes: tuple[int, ...],
    stretch: Stretch,
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
) -> Picture:
    """Return a part of a raster as a picture.

    Args:
        raster: open for reading.
        band_indexes: three bands, from 1, that become red, green and blue.
        stretch: of these bands; not used where `read_palette` finds colours.
        window: the part; None means all.
        shape: (rows, columns) to thin it out to.

    Returns:
        uint8 (rows, columns, 3), 0 without data, and bool (rows, columns), True where data exists.
    """
    values, valid = read_bands(raster, band_indexes, window, shape)
    palette = read_palette(raster, band_indexes)
    return paint(values, valid, stretch if palette is None else palette)


def paint(values: NDArray[np.generic], valid: NDArray[np.bool_], look: Stretch | NDArray[np.uint8]) -> Picture:
    """Return values (3, rows, columns) as the picture that `read_picture` describes.

    Args:
        values: of three bands; with a palette only the first counts.
        valid: bool (rows, columns).
        look: a stretch, or the palette from `read_palette`.
    """
    if isinstance(look, Stretch):
        return apply_stretch(values, valid, look), valid
    # The table has a colour for every value of the band's type that can occur; a file may still hold larger ones.
    colours = look[np.minimum(values[0].astype(np.int64), len(look) - 1)]
    visible = valid & (colours[..., 3] > 0)
    return np.where(visible[..., np.newaxis], colours[..., :3], 0).astype(np.uint8), visible


def read_palette(raster: DatasetReader, band_indexes: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return uint8 (n, 4), the RGBA colour of each value, if the first band alone is shown and has a colour table."""
    if set(band_indexes) != {1} or raster.colorinterp[0] != ColorInterp.palette:
        return None
    try:
        table = raster.colormap(1)
    except ValueError:
        return None
    palette = np.zeros((max(table) + 1, 4), dtype=np.uint8)
    for value, colour in table.items():
        palette[value] = colour
    return palette


def encode_png(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> bytes:
    """Return an RGBA PNG.

    Args:
        rgb: uint8 (rows, columns, 3).
        alpha: uint8 (rows, columns), 0 transparent, 255 opaque.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([rgb, alpha])).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
