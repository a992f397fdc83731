"""The images both generators see: generated scenes, and crops of real mosaics where the data folder is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from server.training.scenes import generate_scene

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[3] / "shared" / "data"))
MOSAICS = DATA / "fair_hot_buildings" / "mosaics_z20"
SPEED_SIDE_PX = 1024
SPEED_SEED = 3


@dataclass(frozen=True)
class Picture:
    """One image.

    Attributes:
        name: what tables call it.
        rgb: uint8 (H, W, 3).
    """

    name: str
    rgb: NDArray[np.uint8]


def speed_picture() -> Picture:
    """Return the 1024 x 1024 scene that speed and memory are measured on."""
    return _scene(SPEED_SEED, SPEED_SIDE_PX, SPEED_SIDE_PX)


def parity_pictures() -> list[Picture]:
    """Return five images of several shapes; the last three are real where the mosaics are there, else generated."""
    scenes = [_scene(5, 512, 512), _scene(6, 640, 768)]
    if MOSAICS.is_dir():
        return [
            *scenes,
            _crop("region3_1.tif", Window(100, 200, 512, 512)),
            _crop("region2_1.tif", Window(300, 0, 1000, 700)),
            _crop("region1_1.tif", Window(1500, 500, 1024, 1024)),
        ]
    return [*scenes, _scene(7, 512, 512), _scene(8, 700, 1000), _scene(9, 1024, 1024)]


def _scene(seed: int, height: int, width: int) -> Picture:
    side = max(height, width)
    return Picture(f"scene {seed}, {height} x {width}", generate_scene(side, seed).rgb[:height, :width].copy())


def _crop(file: str, window: Window) -> Picture:
    with rasterio.open(MOSAICS / file) as source:
        bands = source.read((1, 2, 3), window=window)
    rgb = np.ascontiguousarray(np.moveaxis(bands, 0, 2))
    return Picture(f"{file}, {rgb.shape[0]} x {rgb.shape[1]}", rgb)
