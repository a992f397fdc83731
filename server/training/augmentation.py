"""Changes of colour, sharpness and extent, so that the network trusts shape and context more than a sensor's look."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.labelled_images import LabelledImage

# ImageNet's mean colour, which the network's normalisation turns into the zeros it is padded with.
PADDING_COLOUR = (124, 116, 104)


def augment(image: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Return the image with other colours, blur, noise, compression and sometimes a padded border."""
    rgb = _change_colours(image.rgb.astype(np.float32), rng)
    if rng.random() < 0.3:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.4, 1.4))), dtype=np.float32)
    if rng.random() < 0.5:
        rgb = rgb + rng.standard_normal(rgb.shape, dtype=np.float32) * rng.uniform(1, 9)
    stored = rgb.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))])
        stored = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return _pad(stored, image.labels, rng) if rng.random() < 0.15 else LabelledImage(stored, image.labels)


def _change_colours(rgb: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return float32 (H, W, 3) after random contrast, gamma, tint, mixing and order of the three bands."""
    mixing = np.eye(3) * rng.uniform(0.75, 1.3, 3) + rng.normal(0, 0.06, (3, 3))
    if rng.random() < 0.1:
        mixing = mixing[rng.permutation(3)]
    if rng.random() < 0.08:
        mixing = np.full((3, 3), 1 / 3)
    mixed = (rgb.reshape(-1, 3) @ mixing.T.astype(np.float32)).reshape(rgb.shape)
    mean = float(mixed.mean())
    mixed = (mixed - mean) * rng.uniform(0.6, 1.5) + mean + rng.uniform(-25, 25)
    return np.asarray(255 * (mixed / 255).clip(0, 1) ** rng.uniform(0.7, 1.4), dtype=np.float32)


def _pad(rgb: NDArray[np.uint8], labels: NDArray[np.int32], rng: np.random.Generator) -> LabelledImage:
    """Replace a strip on the right or below by padding, as images that are not square get it."""
    size = len(rgb)
    kept = int(rng.uniform(0.5, 0.95) * size)
    strip = (slice(None), slice(kept, None)) if rng.random() < 0.5 else (slice(kept, None), slice(None))
    padded, padded_labels = rgb.copy(), labels.copy()
    padded[strip] = PADDING_COLOUR
    padded_labels[strip] = 0
    return LabelledImage(padded, padded_labels)
