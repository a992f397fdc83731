"""What synthetic scenes are painted on: four bands, object ids, one sun, and noise that every surface shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]
Polygon = NDArray[np.float64]
SUBPIXEL_BITS = 4  # cv2 draws polygons at a sixteenth of a pixel


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        colour: red, green, blue, near infrared, 0..255.
        patchy: relative strength of slow brightness changes.
        grainy: relative strength of changes from pixel to pixel.
    """

    colour: tuple[float, float, float, float]
    patchy: float = 0.06
    grainy: float = 0.04

    def without_noise(self) -> Material:
        """Return the same colour, even all over."""
        return Material(self.colour, 0.0, 0.0)


@dataclass
class Canvas:
    """A scene while it is being painted.

    Attributes:
        bands: float32 (H, W, 4), red, green, blue, near infrared, 0..255.
        labels: int32 (H, W), 0 where nothing was painted yet.
        grain: float32 (H, W), mean 0, deviation 1, fine noise.
        patches: float32 (H, W), mean 0, deviation 1, slow noise.
        sun: x, y; shadows fall in this direction, one pixel per unit of height.
        scale: size of things in this scene; 1 means a house is about 30 pixels long.
    """

    rng: np.random.Generator
    size: int
    scale: float
    bands: FloatImage = field(init=False)
    labels: NDArray[np.int32] = field(init=False)
    grain: FloatImage = field(init=False)
    patches: FloatImage = field(init=False)
    sun: NDArray[np.float64] = field(init=False)
    n_objects: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.bands = np.zeros((self.size, self.size, 4), np.float32)
        self.labels = np.zeros((self.size, self.size), np.int32)
        self.grain = make_noise(self.rng, self.size, 1.0)
        self.patches = make_noise(self.rng, self.size, 24.0 * self.scale)
        angle = self.rng.uniform(0, 2 * np.pi)
        self.sun = np.array([np.cos(angle), np.sin(angle)]) * self.rng.uniform(0.4, 1.1)

    def new_label(self) -> int:
        """Return the id of the next object."""
        self.n_objects += 1
        return self.n_objects

    def fill(self, where: Mask, material: Material, label: int | None, brightness: float | FloatImage = 1.0) -> None:
        """Paint `where`, bool (H, W), on the whole canvas; `brightness` is a factor or an image of factors."""
        self._fill((slice(None), slice(None)), where, material, label, brightness)

    def fill_cells(
        self, where: Mask, cells: NDArray[np.int32], materials: Sequence[Material], brightness: FloatImage
    ) -> None:
        """Paint a whole division of the ground at once, one object per cell.

        Args:
            where: bool (H, W), the ground to paint.
            cells: int32 (H, W), 0..N-1.
            materials: N of them.
            brightness: float32 (H, W), factors.
        """
        cell = cells[where]
        colours = np.array([material.colour for material in materials], np.float32)
        patchy = np.array([material.patchy for material in materials], np.float32)
        grainy = np.array([material.grainy for material in materials], np.float32)
        factor = 1.0 + patchy[cell] * self.patches[where] + grainy[cell] * self.grain[where]
        self.bands[where] = colours[cell] * (factor * brightness[where])[:, None]
        self.labels[where] = cell + self.n_objects + 1
        self.n_objects += len(materials)

    def fill_polygon(self, polygon: Polygon, material: Material, label: int | None, brightness: float = 1.0) -> None:
        """Paint the inside of `polygon`, (N, 2) of x, y in pixels; None as label keeps the ids that are there."""
        found = rasterise(polygon, self.size)
        if found is not None:
            self._fill(found[0], found[1], material, label, brightness)

    def shade_polygon(self, polygon: Polygon, height: float, darkness: float = 0.5) -> None:
        """Darken the ground that something of this outline and height, in pixels, keeps the sun from."""
        reach = self.sun * height
        swept = [polygon + reach * step for step in np.linspace(0, 1, 5)]
        hulls = [cv2.convexHull(np.vstack(pair).astype(np.float32))[:, 0] for pair in pairwise(swept)]
        rows, cols = _bounding_slices(np.vstack(swept), self.size)
        shadow = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)
        if shadow.size == 0:
            return
        for outline in hulls if len(polygon) <= 4 else swept:
            cv2.fillPoly(shadow, [to_fixed_point(outline - (cols.start, rows.start))], 1, shift=SUBPIXEL_BITS)
        self.bands[rows, cols][shadow > 0] *= np.float32(darkness)

    def _fill(
        self,
        window: tuple[slice, slice],
        where: Mask,
        material: Material,
        label: int | None,
        brightness: float | FloatImage,
    ) -> None:
        factor = 1.0 + material.patchy * self.patches[window][where] + material.grainy * self.grain[window][where]
        factor = factor * (brightness if isinstance(brightness, float) else brightness[window][where])
        self.bands[window][where] = np.asarray(material.colour, np.float32) * factor[:, None]
        if label is not None:
            self.labels[window][where] = label


def make_noise(rng: np.random.Generator, size: int, wavelength_px: float) -> FloatImage:
    """Return smooth noise float32 (size, size) with mean 0 and deviation 1."""
    coarse = max(4, int(size / max(wavelength_px, 1.0)) + 3)
    noise = rng.standard_normal((coarse, coarse)).astype(np.float32)
    if coarse < size:
        noise = np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    noise = noise[:size, :size]
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def rasterise(polygon: Polygon, size: int) -> tuple[tuple[slice, slice], Mask] | None:
    """Return the window around a polygon and the bool mask inside it, or None where nothing is on the canvas."""
    rows, cols = _bounding_slices(polygon, size)
    height, width = rows.stop - rows.start, cols.stop - cols.start
    if height == 0 or width == 0:
        return None
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [to_fixed_point(polygon - (cols.start, rows.start))], 1, shift=SUBPIXEL_BITS)
    return (rows, cols), inside > 0


def to_fixed_point(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return points, (N, 2) in pixels, in the fixed-point form cv2 draws from."""
    return np.round(np.asarray(points) * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _bounding_slices(polygon: NDArray[np.floating], size: int) -> tuple[slice, slice]:
    low = np.clip(np.floor(polygon.min(axis=0)).astype(int) - 1, 0, size)
    high = np.maximum(np.clip(np.ceil(polygon.max(axis=0)).astype(int) + 2, 0, size), low)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
