"""Encodes a patch once and decodes all its prompts in batches, which is where the time of a loop over boxes goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray

from server.segmentation.automatic.click_masks import Cutoffs, measure_stability
from server.segmentation.automatic.mask_windows import Support, WindowUpsampler, find_support
from server.segmentation.batch_prompts.decoding import PromptDecoder, start_decoder
from server.segmentation.batch_prompts.filled import fill_corners
from server.segmentation.batch_prompts.prompts import PromptBatch
from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.decoding.surroundings import PromptTensors
from server.segmentation.networks.precision import lower_precision

# Activations of so few prompts stay near a processor's caches; a GPU is busy with so many.
PROMPTS_ON_CPU, PROMPTS_ON_GPU = 8, 64
# How far SAM moves the cut-off up and down to measure the stability.
STABILITY_OFFSET = 1.0


class BatchPredictor:
    """Implements `BatchNetwork` on a network that other threads may use as well."""

    def __init__(self, predictor: CachingPredictor, turn: Callable[[], AbstractContextManager[object]]) -> None:
        """Prepare.

        Args:
            predictor: of this thread alone.
            turn: makes a context in which no one else uses the network.
        """
        self._predictor = predictor
        self._turn = turn
        network = predictor.model
        self.input_size: int = network.image_encoder.img_size
        self._low_side: int = network.prompt_encoder.mask_input_size[0]
        self._cutoffs = Cutoffs(network.mask_threshold, STABILITY_OFFSET)

    def answer(self, rgb: NDArray[np.uint8], prompts: PromptBatch, *, multimask: bool) -> list[list[MaskRecord]]:
        """Return the candidates of every prompt; see `BatchNetwork`."""
        found: list[list[MaskRecord]] = []
        predictor = self._predictor
        n_at_once = PROMPTS_ON_GPU if predictor.device.type == "cuda" else PROMPTS_ON_CPU
        with self._turn(), torch.inference_mode():
            predictor.set_image(rgb)
            decoder = start_decoder(predictor.model, predictor.features)
            upsampler = WindowUpsampler(self._low_side, self.input_size, predictor.input_size, rgb.shape[:2])
            for start in range(0, len(prompts), n_at_once):
                part = prompts.cut(start, start + n_at_once)
                found += self._measure(*self._decode(decoder, part, multimask=multimask), part, upsampler)
        return found

    def _decode(
        self, decoder: PromptDecoder, prompts: PromptBatch, *, multimask: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return low-resolution logits (B, M, S, S) and predicted IoU (B, M)."""
        predictor = self._predictor
        boxes = None if prompts.boxes_xyxy is None else self._send(self._scale(prompts.boxes_xyxy.reshape(-1, 2)))
        with lower_precision(predictor.precision, predictor.device):
            asked = PromptTensors(
                points=self._make_points(prompts),
                boxes=None if boxes is None else boxes.view(-1, 4),
                masks=self._make_masks(prompts),
            )
            low, quality = decoder.decode(asked, multimask=multimask)
        return low.float(), quality.float()

    def _measure(
        self, low: torch.Tensor, quality: torch.Tensor, prompts: PromptBatch, upsampler: WindowUpsampler
    ) -> list[list[MaskRecord]]:
        supports = find_support(low.flatten(0, 1), self._cutoffs.mask_threshold - self._cutoffs.offset)
        n_masks = low.shape[1]
        found = []
        rows = zip(low.cpu().numpy(), quality.tolist(), prompts.places_xy.tolist(), strict=True)
        for number, (masks, ratings, (x, y)) in enumerate(rows):
            parts = zip(masks, supports[number * n_masks : (number + 1) * n_masks], ratings, strict=True)
            records = (self._cut_out(*part, (x, y), upsampler) for part in parts)
            found.append([record for record in records if record is not None])
        return found

    def _cut_out(
        self,
        low: NDArray[np.float32],
        support: Support | None,
        rating: float,
        place: tuple[float, float],
        upsampler: WindowUpsampler,
    ) -> MaskRecord | None:
        """Return one mask in pixels of the patch, None where it has none."""
        window = None if support is None else upsampler.upsample(low, support)
        cropped = None if window is None else crop_mask(window.logits > self._cutoffs.mask_threshold)
        if window is None or cropped is None:
            return None
        mask, (x, y, width, height) = cropped
        stability = float(measure_stability(window.logits, self._cutoffs))
        return MaskRecord(mask, (x + window.x, y + window.y, width, height), rating, stability, place)

    def _make_points(self, prompts: PromptBatch) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return clicks in pixels of the input, float32 (B, 1, 2), and their labels (B, 1)."""
        if prompts.points_xy is None:
            return None
        points = self._send(self._scale(prompts.points_xy))[:, None]
        return points, torch.ones(len(points), 1, dtype=torch.int, device=points.device)

    def _make_masks(self, prompts: PromptBatch) -> torch.Tensor | None:
        """Return mask prompts, float32 (B, 1, S, S)."""
        if prompts.filled is None:
            return None
        scaled = self._scale(prompts.filled.reshape(-1, 2)).reshape(-1, 4, 2)
        return self._send(fill_corners(scaled * (self._low_side / self.input_size), self._low_side))[:, None]

    def _scale(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Carry points (N, 2) from pixels of the patch into those of the input."""
        predictor = self._predictor
        return np.asarray(predictor.transform.apply_coords(points, predictor.original_size))

    def _send(self, values: NDArray[np.floating]) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._predictor.device)
