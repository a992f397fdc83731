"""What the network is shown of a window: the window as it is, or turned, zoomed and recoloured."""

from __future__ import annotations

import cv2
import numpy as np

from server.rasters.windows import PixelWindow
from server.segmentation.networks.padded_patches import pad_to_square
from server.training.augmentation import augment
from server.training.labelled_images import UNKNOWN, LabelledImage

# How many scene pixels one pixel of a view may cover, along one side. Narrower than for the embedded checkpoint's own
# training: the class will be looked for in imagery much like this.
ZOOM_RANGE = (0.7, 1.4)


def cut_view(image: LabelledImage, window: PixelWindow, size: int) -> LabelledImage:
    """Return a window, at most `size` pixels on each side, padded to (size, size); the padding is unknown."""
    labels = np.full((size, size), UNKNOWN, np.int32)
    labels[: window.height, : window.width] = image.labels[window.slices]
    return LabelledImage(pad_to_square(image.rgb[window.slices], size), labels)


def draw_view(image: LabelledImage, window: PixelWindow, size: int, rng: np.random.Generator) -> LabelledImage:
    """Return a square of (size, size) around a place of `window`, at a random scale, turned, mirrored, recoloured."""
    height, width = image.labels.shape
    side = round(size * float(np.exp(rng.uniform(*np.log(ZOOM_RANGE)))))
    row = window.row + (window.height - side) // 2 + int(rng.integers(-size // 4, size // 4 + 1))
    col = window.col + (window.width - side) // 2 + int(rng.integers(-size // 4, size // 4 + 1))
    top, left = (max(0, min(start, length - side)) for start, length in ((row, height), (col, width)))
    square = cut_view(image, PixelWindow(left, top, min(side, width - left), min(side, height - top)), side)
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    rgb = cv2.resize(square.rgb, (size, size), interpolation=interpolation)
    # Through float64, which holds every id and which OpenCV can resize.
    labels = cv2.resize(square.labels.astype(np.float64), (size, size), interpolation=cv2.INTER_NEAREST)
    n_turns, is_mirrored = int(rng.integers(4)), rng.random() < 0.5
    rgb, labels = np.rot90(rgb, n_turns), np.rot90(labels, n_turns)
    if is_mirrored:
        rgb, labels = rgb[:, ::-1], labels[:, ::-1]
    turned = LabelledImage(np.ascontiguousarray(rgb, np.uint8), np.ascontiguousarray(labels).astype(np.int32))
    return augment(turned, rng)
