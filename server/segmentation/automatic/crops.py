"""Plans SAM's crop layers and point grids: which parts of a patch are looked at enlarged, and where is clicked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from server.segmentation.parameters import MaskGeneratorSettings

# Crops smaller than this show nothing, and those of a few pixels come out empty.
MIN_CROP_PX = 8
# A mask whose box ends this close to a crop's edge is taken as cut by it; the number is the SAM release's.
EDGE_PX = 20


@dataclass(frozen=True)
class Crop:
    """A part of a patch that the network sees as one image.

    Attributes:
        layer: 0 for the whole patch; layer n has 4 to the power of n crops.
        box_xyxy: in pixels of the patch; the last two count one past the last pixel.
    """

    layer: int
    box_xyxy: tuple[int, int, int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        x0, y0, x1, y1 = self.box_xyxy
        return y1 - y0, x1 - x0

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        height, width = self.size
        return height * width


def plan_crops(patch_size: tuple[int, int], settings: MaskGeneratorSettings) -> list[Crop]:
    """Return the whole patch and the crops of all layers in which something can be seen.

    Args:
        patch_size: height and width.
        settings: the user's parameters.
    """
    height, width = patch_size
    crops = [Crop(0, (0, 0, width, height))]
    short_side = min(patch_size)
    for layer in range(1, min(settings.crop_n_layers, count_useful_layers(short_side)) + 1):
        n_per_side = 2**layer
        overlap = int(settings.crop_overlap_ratio * short_side * (2 / n_per_side))
        crop_width = math.ceil((overlap * (n_per_side - 1) + width) / n_per_side)
        crop_height = math.ceil((overlap * (n_per_side - 1) + height) / n_per_side)
        for col, row in product(range(n_per_side), repeat=2):
            x0, y0 = col * (crop_width - overlap), row * (crop_height - overlap)
            crops.append(Crop(layer, (x0, y0, min(x0 + crop_width, width), min(y0 + crop_height, height))))
    return crops


def count_useful_layers(short_side_px: int) -> int:
    """Return how many crop layers a patch can have whose crops, half as long in each layer, still show something."""
    return max(0, (short_side_px // MIN_CROP_PX).bit_length() - 1)


def grid_points(settings: MaskGeneratorSettings, layer: int) -> NDArray[np.float64]:
    """Return the clicks of every crop of `layer`, float64 (N, 2), x and y as shares 0..1 of the crop, row by row."""
    if settings.point_grids is not None:
        return np.asarray(settings.point_grids[layer], dtype=np.float64).reshape(-1, 2)
    n_per_side = int(settings.points_per_side / settings.crop_n_points_downscale_factor**layer)
    offset = 1 / (2 * n_per_side)
    places = np.linspace(offset, 1 - offset, n_per_side)
    x, y = np.meshgrid(places, places)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def touches_inner_edge(box_xyxy: tuple[int, int, int, int], crop: Crop, patch_size: tuple[int, int]) -> bool:
    """Tell whether a box ends near an edge of the crop that is not near an edge of the patch.

    Args:
        box_xyxy: in pixels of the patch, its last two the last pixels that belong to it, as SAM's boxes are.
        crop: where it was found.
        patch_size: height and width.
    """
    height, width = patch_size
    sides = zip(box_xyxy, crop.box_xyxy, (0, 0, width, height), strict=True)
    return any(abs(side - of_crop) <= EDGE_PX < abs(side - of_patch) for side, of_crop, of_patch in sides)
