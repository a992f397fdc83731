"""Finds every object of a patch: clicks on a grid, masks that rate well, duplicates dropped, as the SAM release does.

The masks are those of `segment_anything.SamAutomaticMaskGenerator`; the way to them takes a fraction of the arithmetic
and memory, because masks are rated before they are drawn and measured only where they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from server.segmentation.automatic.click_batches import ClickBatches
from server.segmentation.automatic.click_masks import Candidate, ClickMasks, Cutoffs, NetworkSizes
from server.segmentation.automatic.crops import Crop, grid_points, plan_crops
from server.segmentation.automatic.small_regions import clean_masks
from server.segmentation.automatic.suppression import suppress_overlaps
from server.segmentation.mask_records import MaskRecord, Thresholds
from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.decoding.choice import choose_decoder
from server.segmentation.networks.layer_checks import checking_layers
from server.segmentation.networks.precision import lower_precision
from server.segmentation.parameters import MaskGeneratorSettings

Tell = Callable[[float], None]


@dataclass(frozen=True)
class _Look:
    """One crop and the clicks on it, float64 (N, 2), x and y in pixels of the crop."""

    crop: Crop
    points: NDArray[np.float64]


class AutomaticMaskGenerator:
    """Finds the objects of patches with one network.

    Attributes:
        input_size: side in pixels of the square that the network sees without resampling.
    """

    def __init__(
        self,
        predictor: CachingPredictor,
        settings: MaskGeneratorSettings,
        check: Callable[[], None],
        exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Prepare a generator.

        Args:
            predictor: the network with its cache of encoder outputs.
            settings: the user's parameters.
            check: called before every few clicks and every layer of the encoder, so that a cancelled job may raise
                within a fraction of a second even where one encoding takes a minute.
            exclusive: makes a context in which no one else uses the network; entered for the encoder and for every
                batch of clicks, so that others need not wait for a whole patch.
        """
        self._predictor = predictor
        self._settings = settings
        self._check = check
        self._exclusive = exclusive
        self._network: nn.Module = predictor.model
        # A decoder keeps what it knows of the image to itself; only preparing it calls the shared network.
        with exclusive():
            self._decoder = choose_decoder(self._network)
        self.input_size: int = predictor.model.image_encoder.img_size

    @property
    def patches_at_once(self) -> int:
        """How many patches `prepare` had better be given."""
        return self._predictor.images_at_once

    def prepare(self, patches: Sequence[NDArray[np.uint8]]) -> None:
        """Encode `patches`, uint8 (H, W, 3) each, together; see `MaskGenerator`."""
        with self._using_network(), checking_layers(self._network, self._check):
            self._predictor.encode_ahead(patches)

    def generate(self, rgb: NDArray[np.uint8], tell: Tell) -> list[MaskRecord]:
        """Return the objects of `rgb`, uint8 (H, W, 3); see `MaskGenerator`."""
        settings = self._settings
        looks = [
            _Look(crop, grid_points(settings, crop.layer) * crop.size[::-1])
            for crop in plan_crops(rgb.shape[:2], settings)
        ]
        thresholds = Thresholds(settings.pred_iou_thresh, settings.stability_score_thresh)
        return self._find(rgb, looks, thresholds, tell)

    def generate_at(
        self, rgb: NDArray[np.uint8], points_xy: NDArray[np.float64], thresholds: Thresholds, tell: Tell
    ) -> list[MaskRecord]:
        """Return the objects found by clicks at chosen places; see `MaskGenerator`."""
        height, width = rgb.shape[:2]
        return self._find(rgb, [_Look(Crop(0, (0, 0, width, height)), points_xy)], thresholds, tell)

    def _find(self, rgb: NDArray[np.uint8], looks: list[_Look], thresholds: Thresholds, tell: Tell) -> list[MaskRecord]:
        settings = self._settings
        tell_batch = _count_batches(looks, settings.points_per_batch, tell)
        found: list[Candidate] = []
        for look in looks:
            found += self._find_in_crop(rgb, look, thresholds, tell_batch)
        if len(looks) > 1:
            # Smaller crops show their objects larger, so their masks win.
            scores = np.float32(1) / np.array([candidate.crop_area_px for candidate in found], dtype=np.float32)
            found = _keep_best(found, scores, settings.crop_nms_thresh)
        records = [candidate.unpack() for candidate in found]
        if settings.min_mask_region_area > 0:
            iou_threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
            records = clean_masks(records, settings.min_mask_region_area, rgb.shape[:2], iou_threshold)
        return records

    def _find_in_crop(
        self, rgb: NDArray[np.uint8], look: _Look, thresholds: Thresholds, tell_batch: Callable[[], None]
    ) -> list[Candidate]:
        """Return the masks of one crop without duplicates; `tell_batch` is called before every batch of clicks."""
        if len(look.points) == 0:
            return []
        x0, y0, x1, y1 = look.crop.box_xyxy
        with self._using_network(), checking_layers(self._network, self._check):
            self._predictor.set_image(rgb[y0:y1, x0:x1])
            embedding = self._predictor.get_image_embedding()
            self._decoder.start(embedding)
        batches = ClickBatches(self._settings.points_per_batch, embedding.device)
        batches.fit(embedding.nbytes)
        masks = self._prepare(look.crop, rgb.shape[:2], thresholds)

        def decode(points: NDArray[np.float64]) -> list[Candidate]:
            self._check()
            with self._using_network():
                return masks.find(points, embedding.device)

        found: list[Candidate] = []
        for start in range(0, len(look.points), self._settings.points_per_batch):
            tell_batch()
            found += batches.run(look.points[start : start + self._settings.points_per_batch], decode)
        self._predictor.reset_image()
        scores = np.array([candidate.predicted_iou for candidate in found], dtype=np.float32)
        return _keep_best(found, scores, self._settings.box_nms_thresh)

    def _prepare(self, crop: Crop, patch_size: tuple[int, int], thresholds: Thresholds) -> ClickMasks:
        low_side = self._predictor.model.prompt_encoder.mask_input_size[0]
        sizes = NetworkSizes(self.input_size, low_side, self._predictor.input_size)
        cutoffs = Cutoffs(self._predictor.model.mask_threshold, self._settings.stability_score_offset)
        return ClickMasks(self._decoder, (crop, patch_size), sizes, thresholds, cutoffs)

    @contextmanager
    def _using_network(self) -> Iterator[None]:
        precision = lower_precision(self._predictor.precision, self._predictor.device)
        with self._exclusive(), torch.inference_mode(), precision:
            yield


def _count_batches(looks: list[_Look], points_per_batch: int, tell: Tell) -> Callable[[], None]:
    """Return what is to be called before every batch; it tells the finished share."""
    n_batches = sum(math.ceil(len(look.points) / points_per_batch) for look in looks)
    n_done = 0

    def tell_batch() -> None:
        nonlocal n_done
        tell(n_done / n_batches)
        n_done += 1

    return tell_batch


def _keep_best(found: list[Candidate], scores: NDArray[np.float32], iou_threshold: float) -> list[Candidate]:
    kept = suppress_overlaps([candidate.bbox_xywh for candidate in found], scores, iou_threshold)
    return [found[index] for index in kept]
