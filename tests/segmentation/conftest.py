"""A generator that needs no network, and a tiny untrained network of the package's own parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from server.segmentation.mask_records import MaskRecord, Thresholds, crop_mask
from server.segmentation.parameters import MaskGeneratorSettings


class BrightSpots:
    """Finds connected areas of the red band above each threshold; stands in for a network."""

    def __init__(self, check: Callable[[], None], input_size: int, thresholds: tuple[int, ...]) -> None:
        self.input_size = input_size
        self.patches_at_once = 1
        self._check = check
        self._thresholds = thresholds
        self.n_calls = 0

    def generate(self, rgb: NDArray[np.uint8], tell: Callable[[float], None]) -> list[MaskRecord]:
        assert rgb.dtype == np.uint8
        assert max(rgb.shape[:2]) <= self.input_size
        self.n_calls += 1
        self._check()
        tell(0.5)
        records = []
        for threshold in self._thresholds:
            n_areas, areas = cv2.connectedComponents((rgb[..., 0] > threshold).astype(np.uint8), connectivity=4)
            for number in range(1, n_areas):
                mask, bbox_xywh = crop_mask(areas == number)  # type: ignore[misc]
                rows, cols = np.nonzero(mask)
                point = (bbox_xywh[0] + float(cols[0]) + 0.5, bbox_xywh[1] + float(rows[0]) + 0.5)
                records.append(MaskRecord(mask, bbox_xywh, 0.9, 0.97, point))
        return records

    def generate_at(
        self,
        rgb: NDArray[np.uint8],
        points_xy: NDArray[np.float64],
        _thresholds: Thresholds,
        tell: Callable[[float], None],
    ) -> list[MaskRecord]:
        """Return those of the areas that hold a click."""
        return [
            record
            for record in self.generate(rgb, tell)
            if any(_holds(record, int(x), int(y)) for x, y in points_xy.tolist())
        ]


def _holds(record: MaskRecord, x: int, y: int) -> bool:
    left, top, width, height = record.bbox_xywh
    return left <= x < left + width and top <= y < top + height and bool(record.mask[y - top, x - left])


@pytest.fixture
def bright_spots() -> Callable[..., Callable[..., BrightSpots]]:
    """Return a maker of `make_generator` functions."""

    def configure(input_size: int = 64, thresholds: tuple[int, ...] = (100,)) -> Callable[..., BrightSpots]:
        def make_generator(_name: str, _settings: MaskGeneratorSettings, check: Callable[[], None]) -> BrightSpots:
            return BrightSpots(check, input_size, thresholds)

        return make_generator

    return configure


@pytest.fixture
def tiny_sam() -> Iterator[object]:
    """Return an untrained Sam with 128 x 128 input; its masks mean nothing, its shapes and calls are the real ones."""
    import torch

    # Threads that wait for each other take longer than these few numbers, most of all on a busy machine.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield _make_tiny_sam()
    torch.set_num_threads(n_threads)


def _make_tiny_sam() -> object:
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(0)
    network = Sam(
        image_encoder=ImageEncoderViT(
            img_size=128,
            patch_size=16,
            embed_dim=32,
            depth=1,
            num_heads=2,
            out_chans=32,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=0,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=4
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=32, num_heads=2),
            transformer_dim=32,
            iou_head_hidden_dim=32,
        ),
    )
    return network.eval().requires_grad_(False)
