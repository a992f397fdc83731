"""From clicks on one crop to the masks worth keeping: rated, drawn, measured and filtered as the SAM release does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.segmentation.automatic.crops import Crop, touches_inner_edge
from server.segmentation.automatic.mask_windows import Floats, Support, WindowUpsampler, find_support
from server.segmentation.mask_records import MaskRecord, Thresholds, crop_mask
from server.segmentation.networks.decoding.stages import StagedDecoder


@dataclass(frozen=True)
class Candidate:
    """A mask that passed all filters but not yet the suppression of duplicates, in pixels of the patch.

    Attributes:
        packed: the mask inside its box, one bit per pixel in row order: most candidates are duplicates, and together
            they would fill the memory.
        bbox_xywh: see `MaskRecord`, as for all that follows.
        predicted_iou: 0..1.
        stability_score: 0..1.
        point_xy: the click.
        crop_area_px: size of the crop that found it.
    """

    packed: NDArray[np.uint8]
    bbox_xywh: tuple[int, int, int, int]
    predicted_iou: float
    stability_score: float
    point_xy: tuple[float, float]
    crop_area_px: int

    def unpack(self) -> MaskRecord:
        """Return the final form."""
        _, _, width, height = self.bbox_xywh
        flat = np.unpackbits(self.packed, count=width * height).view(np.bool_)
        return MaskRecord(
            flat.reshape(height, width), self.bbox_xywh, self.predicted_iou, self.stability_score, self.point_xy
        )


@dataclass(frozen=True)
class Cutoffs:
    """At which logits a mask is cut and its stability measured.

    Attributes:
        mask_threshold: pixels above it belong to the mask.
        offset: how far up and down the cut-off is moved to measure the stability.
    """

    mask_threshold: float
    offset: float


@dataclass(frozen=True)
class NetworkSizes:
    """How large the network's images are.

    Attributes:
        input_side: of its square input, in pixels.
        low_side: of the square masks it draws.
        resized: height and width of the crop in the input, without padding.
    """

    input_side: int
    low_side: int
    resized: tuple[int, int]


class ClickMasks:
    """Finds the masks of clicks on one crop, whose image the decoder was started with."""

    def __init__(
        self,
        decoder: StagedDecoder,
        place: tuple[Crop, tuple[int, int]],
        sizes: NetworkSizes,
        thresholds: Thresholds,
        cutoffs: Cutoffs,
    ) -> None:
        """Prepare for a crop.

        Args:
            decoder: knows the crop's image.
            place: the crop, and height and width of the patch it is cut from.
            sizes: how large the network's images are.
            thresholds: what a mask must reach.
            cutoffs: where it is cut.
        """
        self._decoder, self._thresholds, self._cutoffs = decoder, thresholds, cutoffs
        self._crop, self._patch_size = place
        height, width = self._crop.size
        self._to_input = np.array([sizes.resized[1] / width, sizes.resized[0] / height])
        self._upsampler = WindowUpsampler(sizes.low_side, sizes.input_side, sizes.resized, self._crop.size)

    def find(self, points: NDArray[np.float64], device: torch.device) -> list[Candidate]:
        """Return the masks of `points`, (B, 2) in pixels of the crop, that pass all filters, in their order."""
        asked = torch.from_numpy((points * self._to_input).astype(np.float32))
        rated = self._decoder.rate(asked.to(device))
        is_good = rated.quality > self._thresholds.pred_iou_thresh
        if self._thresholds.pred_iou_thresh <= 0:
            is_good = torch.ones_like(is_good)
        rows = is_good.any(dim=1).nonzero()[:, 0]
        if len(rows) == 0:
            return []
        rated = rated.select(rows)
        is_good = is_good[rows]
        logits = self._decoder.draw(rated)[is_good]
        clicks = points[rows.cpu().numpy()][is_good.nonzero()[:, 0].cpu().numpy()]
        return self._measure_all(logits, rated.quality[is_good].tolist(), clicks)

    def _measure_all(self, logits: torch.Tensor, qualities: list[float], clicks: NDArray[Any]) -> list[Candidate]:
        """Return the candidates among masks (K, side, side) that pass the predicted IoU."""
        supports = find_support(logits, self._cutoffs.mask_threshold - self._cutoffs.offset)
        found = []
        for low, support, quality, click in zip(logits.cpu().numpy(), supports, qualities, clicks, strict=True):
            candidate = support and self._measure(low, support, quality, click)
            if candidate:
                found.append(candidate)
        return found

    def _measure(self, low: Floats, support: Support, quality: float, click: NDArray[Any]) -> Candidate | None:
        window = self._upsampler.upsample(low, support)
        if window is None:
            return None
        stability = measure_stability(window.logits, self._cutoffs)
        # The limit is rounded to float32 as torch would do it; NaN, from masks without pixels, is below any.
        if not stability >= np.float32(self._thresholds.stability_score_thresh):
            return None
        cropped = crop_mask(window.logits > self._cutoffs.mask_threshold)
        if cropped is None:
            return None
        mask, (x, y, width, height) = cropped
        crop = self._crop
        x, y = x + window.x + crop.box_xyxy[0], y + window.y + crop.box_xyxy[1]
        if touches_inner_edge((x, y, x + width - 1, y + height - 1), crop, self._patch_size):
            return None
        return Candidate(
            packed=np.packbits(mask),
            bbox_xywh=(x, y, width, height),
            predicted_iou=quality,
            stability_score=float(stability),
            point_xy=(float(click[0]) + crop.box_xyxy[0], float(click[1]) + crop.box_xyxy[1]),
            crop_area_px=crop.area_px,
        )


def measure_stability(logits: Floats, cutoffs: Cutoffs) -> np.float32:
    """Return the share of the larger mask that stays when the cut-off moves from below to above; NaN if it is empty."""
    inner = np.count_nonzero(logits > cutoffs.mask_threshold + cutoffs.offset)
    outer = np.count_nonzero(logits > cutoffs.mask_threshold - cutoffs.offset)
    return np.float32(inner) / np.float32(outer) if outer else np.float32(np.nan)
