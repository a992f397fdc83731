"""Images with the outline of every object, from one random scene or one real file, cut to training size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.scenes import generate_scene
from server.training.shown_colours import stretch_colours

UNKNOWN = -1
# Seeds of held-out scenes start here; training uses 0, 1, 2, …
FIRST_HELD_OUT_SEED = 1_000_000
# How many scene pixels one training pixel may cover, along one side.
ZOOM_RANGE = (0.4, 3.0)
MIN_OBJECT_AREA_PX = 36
# What people outline in aerial images at full resolution, cars to houses, is mostly 12 to 50 pixels wide; the log of an
# area follows a normal distribution with this mean and deviation.
TYPICAL_AREA_PX, LOG_AREA_SPREAD = 600, 1.4


@dataclass(frozen=True)
class LabelledImage:
    """An image and its objects.

    Attributes:
        rgb: uint8 (H, W, 3).
        labels: int32 (H, W); ids from 1, 0 for ground that belongs to no object, -1 where nobody knows.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int32]

    @cached_property
    def anchors(self) -> NDArray[np.int64]:
        """One pixel of each object that can be clicked on, (N, 2) of row, col; found once, because images are large."""
        places = np.zeros(int(self.labels.max(initial=0)) + 1, np.int64)
        flat = self.labels.ravel()
        is_object = flat > 0
        places[flat[is_object]] = np.flatnonzero(is_object)
        return np.stack(np.divmod(places[object_ids(self.labels)], self.labels.shape[1]), axis=1)

    @cached_property
    def areas_px(self) -> NDArray[np.int64]:
        """Pixels of each object in the order of `anchors`, (N,)."""
        return np.bincount(self.labels[self.labels > 0])[object_ids(self.labels)].astype(np.int64)


@dataclass(frozen=True)
class Source:
    """Images of one kind and how often training draws from them.

    Attributes:
        images: what there is.
        weight: relative frequency in training, over 0.
        rated_weight: relative frequency when the rating is fitted, which decides how large an answer to a click should
            be; None means as in training.
    """

    images: Sequence[LabelledImage]
    weight: float
    rated_weight: float | None = None

    def to_be_rated(self) -> Source:
        """Return the same images with the frequency that the rating is fitted with."""
        return self if self.rated_weight is None else replace(self, weight=self.rated_weight)


def synthetic_images(n_images: int, size: int, first_seed: int, tell: Callable[[int], object]) -> list[LabelledImage]:
    """Generate `n_images` scenes of `size` pixels from successive seeds; `tell` hears how many more are done."""

    def generate(seed: int) -> LabelledImage:
        scene = generate_scene(size, seed)
        tell(1)
        return LabelledImage(stretch_colours(scene.rgb), scene.labels)

    with ThreadPoolExecutor(2) as pool:  # numpy and cv2 release the interpreter while they paint
        return list(pool.map(generate, range(first_seed, first_seed + n_images)))


def draw_crop(
    sources: Sequence[Source], size: int, rng: np.random.Generator, typical_area_px: float = TYPICAL_AREA_PX
) -> LabelledImage:
    """Return a random square of `size` pixels with at least one object, zoomed, turned and mirrored.

    Args:
        sources: what to draw from.
        size: side in pixels.
        rng: of everything random.
        typical_area_px: median area of the objects that crops are drawn around.
    """
    weights = np.array([source.weight for source in sources])
    while True:
        source = sources[rng.choice(len(sources), p=weights / weights.sum())]
        image = source.images[int(rng.integers(len(source.images)))]
        crop = _crop_around_object(image, size, rng, typical_area_px)
        if len(object_ids(crop.labels)) > 0:
            return crop


def object_ids(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the ids of objects large enough to be clicked on."""
    areas = np.bincount(labels[labels > 0])
    return np.asarray(np.flatnonzero(areas >= MIN_OBJECT_AREA_PX), dtype=np.int64)


def _crop_around_object(
    image: LabelledImage, size: int, rng: np.random.Generator, typical_area_px: float
) -> LabelledImage:
    """Cut a square that touches a random object, where there is one, at a zoom that gives the object a usual size."""
    height, width = image.labels.shape
    if len(image.anchors):
        chosen = int(rng.integers(len(image.anchors)))
        row, col = image.anchors[chosen]
        meant_area = typical_area_px * np.exp(LOG_AREA_SPREAD * rng.standard_normal())
        zoom = float(np.clip(np.sqrt(image.areas_px[chosen] / meant_area), *ZOOM_RANGE))
    else:
        row, col = rng.integers(height), rng.integers(width)
        zoom = float(np.exp(rng.uniform(*np.log(ZOOM_RANGE))))
    side = int(min(size * zoom, height, width))
    top = int(np.clip(row - rng.integers(0, side), 0, height - side))
    left = int(np.clip(col - rng.integers(0, side), 0, width - side))
    window = (slice(top, top + side), slice(left, left + side))
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    rgb = cv2.resize(image.rgb[window], (size, size), interpolation=interpolation)
    labels = cv2.resize(image.labels[window].astype(np.float32), (size, size), interpolation=cv2.INTER_NEAREST)
    n_turns, is_mirrored = int(rng.integers(4)), rng.random() < 0.5
    rgb, labels = np.rot90(rgb, n_turns), np.rot90(labels, n_turns)
    if is_mirrored:
        rgb, labels = rgb[:, ::-1], labels[:, ::-1]
    return LabelledImage(np.ascontiguousarray(rgb, dtype=np.uint8), np.ascontiguousarray(labels).astype(np.int32))
