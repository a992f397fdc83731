"""The sample scene of the service: a town, a river and fields, made on the spot so that no imagery is shipped."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.scene_canvas import Canvas, Mask, make_noise
from server.training.scene_land import paint_cells, paint_river, paint_roads, paint_wood
from server.training.scenes import blur_as_a_lens
from server.training.settlement import Houses, Streets, build_houses, park_cars, plant_trees

SIZE_PX = 1024
RESOLUTION_M = 0.5
SEED = 11
EPSG = 32650  # WGS 84 / UTM zone 50N
LEFT_M, TOP_M = 448_000.0, 4_418_000.0
# A sensor with eleven bits; haze keeps the darkest pixels away from 0, which means no data.
HAZE, FULL_SCALE = 90.0, 1500.0


@dataclass(frozen=True)
class SampleScene:
    """The sample scene and where it lies.

    Attributes:
        bands: uint16 (4, 1024, 1024), red, green, blue, near infrared, about 90..1600; 0 means no data.
        transform: a, b, c, d, e, f of x = a col + b row + c, y = d col + e row + f, in metres, as `affine.Affine`.
        epsg: code of the coordinate reference system.
        description: one sentence.
    """

    bands: NDArray[np.uint16]
    transform: tuple[float, float, float, float, float, float]
    epsg: int
    description: str


def generate_sample_scene() -> SampleScene:
    """Paint the sample scene; every call gives the same one."""
    canvas = Canvas(np.random.default_rng(SEED), SIZE_PX, 1.0)
    canvas.sun[:] = (0.55, 0.45)
    town = _town_area(canvas)
    border = paint_cells(canvas, 22, is_urban=False)
    border = np.where(town, paint_cells(canvas, 26, is_urban=True, where=town), border)
    streets = Streets(border, 11.0)
    wood = paint_wood(canvas) & ~town
    river = paint_river(canvas, 42.0, 0.6)
    road = paint_roads(canvas, border, streets.width_px)
    park_cars(canvas, road & ~river, streets, 0.5)
    taken = river | road
    build_houses(canvas, taken | ~town, streets, Houses(1.0, is_urban=True))
    build_houses(canvas, taken | town | wood, streets, Houses(0.25, is_urban=False))
    plant_trees(canvas, taken, 0.3)
    blur_as_a_lens(canvas)
    return SampleScene(
        bands=_digitise(canvas.bands, canvas.rng),
        transform=(RESOLUTION_M, 0.0, LEFT_M, 0.0, -RESOLUTION_M, TOP_M),
        epsg=EPSG,
        description="A synthetic scene: town, river, fields and wood at 0.5 m in red, green, blue and near infrared.",
    )


def _town_area(canvas: Canvas) -> Mask:
    """Return bool (H, W), True in the town: the left half, with a ragged edge."""
    cols = np.arange(SIZE_PX)[None, :] / SIZE_PX
    return np.asarray(cols + 0.06 * make_noise(canvas.rng, SIZE_PX, 200.0) < 0.55)


def _digitise(bands: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Turn painted brightness (H, W, 4) into counts (4, H, W), with no data in the lower right corner."""
    counts = HAZE + FULL_SCALE * (bands.clip(0, 255) / 255) ** 1.1 + rng.normal(0, 4, bands.shape)
    counts = np.moveaxis(counts.clip(1, 2047), 2, 0).astype(np.uint16)
    wedge = np.zeros(counts.shape[1:], np.uint8)
    corner = np.array([(SIZE_PX, 610), (SIZE_PX, SIZE_PX), (830, SIZE_PX)], np.int32)
    cv2.fillPoly(wedge, [corner], 1)
    counts[:, wedge > 0] = 0
    return np.ascontiguousarray(counts)
