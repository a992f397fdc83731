"""Whole rasters and label rasters as one PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.rasters.colours import colours_of
from server.rasters.look import read_look
from server.rasters.opening import open_raster
from server.rasters.reading import read_palette
from server.rasters.reduced import open_reduced
from server.rasters.sampling import sample_shape
from server.rasters.stretch import StretchMode, draw_bands


def render_preview(
    path: Path,
    band_indexes: Sequence[int] | None = None,
    *,
    max_size: int = 2048,
    mode: StretchMode = "percentile",
) -> bytes:
    """Draw a raster.

    Args:
        path: the raster.
        band_indexes: bands shown as red, green and blue, counted from 1; None chooses.
        max_size: longest side in pixels; a smaller raster keeps its size.
        mode: of the stretch.

    Returns:
        A PNG in RGBA, transparent where the raster holds no data.

    Raises:
        BadParameter: a band is out of range.
        NotARaster: the raster cannot be read.
    """
    look = read_look(path, None if band_indexes is None else tuple(band_indexes), mode)
    with open_raster(path) as raster:
        shape, scale = sample_shape(raster, max_size), max(raster.shape) / max_size
    with open_reduced(path, scale) as raster:
        rgb, valid = draw_bands(raster, look.bands, look.stretch, shape=None if shape == raster.shape else shape)
    return encode_picture(rgb, valid)


@dataclass(frozen=True)
class LabelFilter:
    """Which labels are not shown.

    Attributes:
        probability: raster as large as the labels, in per cent; None where none is known.
        minimum: labels of less are not shown.
        hidden: labels that are not shown.
    """

    probability: Path | None = None
    minimum: float = 0.0
    hidden: frozenset[int] = frozenset()

    def apply(self, labels: NDArray[np.integer], read: Callable[[Path], NDArray[np.integer] | None]) -> None:
        """Make what is not shown background, in place.

        Args:
            labels: (H, W).
            read: returns the same part of another raster, None outside of it.
        """
        probability = None if self.probability is None or self.minimum <= 0 else read(self.probability)
        if probability is not None:
            labels[probability < self.minimum] = 0
        if self.hidden:
            labels[np.isin(labels, list(self.hidden))] = 0


SHOW_ALL = LabelFilter()


def render_label_preview(
    path: Path, *, max_size: int = 2048, alpha: float = 0.6, shown: LabelFilter = SHOW_ALL
) -> bytes:
    """Draw a label raster in the colours of its table; without one each object has its own; background transparent.

    Args:
        path: labels (H, W).
        max_size: longest side in pixels.
        alpha: opacity of objects, 0 to 1.
        shown: what is left out.

    Returns:
        A PNG in RGBA.

    Raises:
        NotARaster: the labels cannot be read.
    """

    def read(source: Path) -> NDArray[np.integer]:
        with open_raster(source) as raster:
            values: NDArray[np.integer] = raster.read(1, out_shape=sample_shape(raster, max_size))
            return values

    labels = read(path)
    shown.apply(labels, read)
    with open_raster(path) as raster:
        palette = read_palette(raster, (1,))
    return draw_labels(labels, alpha, palette)


def draw_labels(labels: NDArray[np.integer], alpha: float, palette: NDArray[np.uint8] | None = None) -> bytes:
    """Return labels (H, W) as a PNG in RGBA.

    Args:
        labels: 0 is background.
        alpha: opacity of objects, 0 to 1; background has none.
        palette: colour (N, 4) of every label; None gives each id a fixed colour of its own.
    """
    opacity = np.where(labels != 0, np.uint8(round(255 * min(max(alpha, 0.0), 1.0))), np.uint8(0))
    colours = colours_of(labels) if palette is None else palette[labels.clip(0, len(palette) - 1), :3]
    return _encode_png(colours, opacity)


def encode_picture(rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bytes:
    """Return rgb (H, W, 3) as a PNG in RGBA, transparent where valid (H, W) is False."""
    return _encode_png(rgb, np.where(valid, np.uint8(255), np.uint8(0)))


def _encode_png(rgb: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> bytes:
    """Return rgb (H, W, 3) and opacity (H, W) 0 to 255 as a PNG in RGBA."""
    target = io.BytesIO()
    rgba = np.dstack([rgb, opacity])
    # Level 1 is several times faster than the default and loses about a tenth in size.
    Image.fromarray(rgba, "RGBA").save(target, "PNG", compress_level=1)
    return target.getvalue()
