"""The two sides of every comparison, each a generator for one network and one set of parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils.amg import MaskData

from server.segmentation.automatic.generator import AutomaticMaskGenerator
from server.segmentation.mask_records import MaskRecord
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.precision import Precision
from server.segmentation.parameters import MaskGeneratorSettings

PackageRecords = list[dict[str, Any]]


class PackageGenerator(SamAutomaticMaskGenerator):  # type: ignore[misc]  # the package ships no types
    """The package's generator, without its failure on crops in which nothing was found."""

    def _process_crop(self, *arguments: Any) -> MaskData:
        data = super()._process_crop(*arguments)
        # An empty list becomes a tensor of shape (0,), whose areas the package then fails to compute.
        data["crop_boxes"] = torch.as_tensor(data["crop_boxes"], dtype=torch.int64).reshape(-1, 4)
        return data


def make_ours(
    network: Any, settings: MaskGeneratorSettings, cache: EmbeddingCache | None = None, precision: Precision = "float32"
) -> Callable[[NDArray[np.uint8]], list[MaskRecord]]:
    """Return this project's generator as a function of the image; without a cache every call encodes anew."""
    predictor = CachingPredictor(network, "benchmark", cache or EmbeddingCache(0), precision)
    generator = AutomaticMaskGenerator(predictor, settings, lambda: None)
    return lambda rgb: generator.generate(rgb, lambda _: None)


def make_package(
    network: Any, settings: MaskGeneratorSettings, cache: EmbeddingCache | None = None
) -> Callable[[NDArray[np.uint8]], PackageRecords]:
    """Return the package's generator as a function of the image, giving its cheapest form of mask, run lengths."""
    generator = PackageGenerator(network, **dataclasses.asdict(settings), output_mode="uncompressed_rle")
    if cache is not None:
        generator.predictor = CachingPredictor(network, "benchmark", cache)

    def generate(rgb: NDArray[np.uint8]) -> PackageRecords:
        records: PackageRecords = generator.generate(rgb)
        return records

    return generate
