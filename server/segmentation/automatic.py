"""Finds every object of a patch: the package's generator with our cache, our records and a way to stop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils.amg import MaskData, rle_to_mask
from torch import nn

from server.segmentation.caching_predictor import CachingPredictor
from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.parameters import MaskGeneratorSettings

# Crops smaller than this show nothing, and those of a few pixels come out empty, on which the package fails.
MIN_CROP_PX = 8


class _Generator(SamAutomaticMaskGenerator):  # type: ignore[misc]  # the package ships no types
    """The package's generator with progress, and without its failure on crops in which nothing was found."""

    def generate_with_progress(self, rgb: NDArray[np.uint8], tell: Callable[[float], None]) -> list[dict[str, Any]]:
        """Return the package's records; `tell` hears the finished share, 0..1, before every batch of points."""
        self._tell = tell
        self._n_batches_done = 0
        # Layer i has 4 to the power of i crops.
        self._n_batches = sum(
            4**layer * math.ceil(len(self.point_grids[layer]) / self.points_per_batch)
            for layer in range(self.crop_n_layers + 1)
        )
        found: list[dict[str, Any]] = self.generate(rgb)
        return found

    def _process_batch(self, *arguments: Any) -> MaskData:
        self._tell(self._n_batches_done / self._n_batches)
        self._n_batches_done += 1
        return super()._process_batch(*arguments)

    def _process_crop(self, *arguments: Any) -> MaskData:
        data = super()._process_crop(*arguments)
        # An empty list becomes a tensor of shape (0,), whose areas the package then fails to compute.
        data["crop_boxes"] = torch.as_tensor(data["crop_boxes"], dtype=torch.int64).reshape(-1, 4)
        return data


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
            check: called before every layer of the network, so that a cancelled job may raise within a fraction
                of a second even where one encoding takes a minute.
            exclusive: makes a context in which no one else uses the network.
        """
        self._generator = _Generator(predictor.model, **dataclasses.asdict(settings), output_mode="uncompressed_rle")
        self._generator.predictor = predictor
        self._crop_n_layers = settings.crop_n_layers
        self._network: nn.Module = predictor.model
        self._check = check
        self._exclusive = exclusive
        self.input_size: int = predictor.model.image_encoder.img_size

    def generate(self, rgb: NDArray[np.uint8], tell: Callable[[float], None]) -> list[MaskRecord]:
        """Return the objects of `rgb`, uint8 (H, W, 3); see `MaskGenerator`."""
        self._generator.crop_n_layers = min(self._crop_n_layers, count_useful_layers(min(rgb.shape[:2])))
        with self._exclusive(), checking_layers(self._network, self._check):
            found = self._generator.generate_with_progress(rgb, tell)
        records = (_make_record(item) for item in found)
        return [record for record in records if record is not None]


def count_useful_layers(short_side_px: int) -> int:
    """Return how many crop layers a patch can have whose crops, half as long in each layer, still show something."""
    return max(0, (short_side_px // MIN_CROP_PX).bit_length() - 1)


@contextmanager
def checking_layers(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before every module of `network` while the context is open."""

    def before(*_: object) -> None:
        check()

    handles = [module.register_forward_pre_hook(before) for module in network.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _make_record(item: dict[str, Any]) -> MaskRecord | None:
    """Turn a record of the package into ours; None for a mask without pixels."""
    cropped = crop_mask(rle_to_mask(item["segmentation"]))
    if cropped is None:
        return None
    mask, bbox_xywh = cropped
    x, y = item["point_coords"][0]
    return MaskRecord(
        mask=mask,
        bbox_xywh=bbox_xywh,
        predicted_iou=float(item["predicted_iou"]),
        stability_score=float(item["stability_score"]),
        point_xy=(float(x), float(y)),
    )
