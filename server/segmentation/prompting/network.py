"""Asks a shared network for the masks of prompts on one patch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import MaskDecoder

from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.precision import lower_precision
from server.segmentation.prompting.prompts import Prompts
from server.segmentation.prompting.rated_masks import Logits, RatedMask


class SharedNetwork:
    """Implements `PromptedNetwork` on a network that other threads use as well."""

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
        self.low_side: int = network.prompt_encoder.mask_input_size[0]
        self.mask_threshold: float = network.mask_threshold
        # Official decoders have a fourth mask for prompts that are not ambiguous; the embedded one has only three.
        self._has_single_mask = isinstance(network.mask_decoder, MaskDecoder)

    def ask(
        self, rgb: NDArray[np.uint8], prompts: Prompts, earlier: Logits | None, *, multimask: bool
    ) -> list[RatedMask]:
        """Return the masks; see `PromptedNetwork`."""
        predictor = self._predictor
        with self._turn(), torch.inference_mode():
            predictor.set_image(rgb)
            with lower_precision(predictor.precision, predictor.device):
                masks, qualities, logits = predictor.predict_torch(
                    *self._make_points(prompts),
                    self._make_box(prompts),
                    None if earlier is None else torch.as_tensor(earlier, device=predictor.device)[None, None],
                    multimask_output=multimask or not self._has_single_mask,
                )
            # Short numbers, if any, end here: numpy does not know them all.
            drawn, rated, low = (part[0].cpu().numpy() for part in (masks, qualities.float(), logits.float()))
        return [RatedMask(*item) for item in zip(drawn, rated.tolist(), low, strict=True)]

    def _make_points(self, prompts: Prompts) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return clicks in pixels of the input, float32 (1, N, 2), and their labels (1, N); None without clicks."""
        if len(prompts.points_xy) == 0:
            return None, None
        device = self._predictor.device
        coords = self._predictor.transform.apply_coords(prompts.points_xy, self._predictor.original_size)
        labels = torch.as_tensor(prompts.labels, dtype=torch.int, device=device)
        return torch.as_tensor(coords, dtype=torch.float32, device=device)[None], labels[None]

    def _make_box(self, prompts: Prompts) -> torch.Tensor | None:
        """Return the box in pixels of the input, float32 (1, 4); None without one."""
        if prompts.box is None:
            return None
        corners = self._predictor.transform.apply_boxes(np.array(prompts.box), self._predictor.original_size)
        return torch.as_tensor(corners, dtype=torch.float32, device=self._predictor.device)
