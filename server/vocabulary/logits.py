"""How well every pixel of a picture fits every query: cosine similarities, corrected for what all pixels share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.vocabulary.backbones import Backbone, DenseFeatures
from server.vocabulary.settings import VocabularySettings
from server.vocabulary.upsampler import Upsampler
from server.vocabulary.windows import average_windows, plan_sliding, resize_long_side


@dataclass(frozen=True)
class Queries:
    """What is looked for.

    Attributes:
        vectors: float32 (Q, C), each of length 1.
        class_of: (Q,) number of the class each query speaks for, from 0; classes may have several.
    """

    vectors: Tensor
    class_of: tuple[int, ...]

    def compare(self, features: Tensor) -> Tensor:
        """Return (Q, H, W): cosines of (C, H, W) features with the queries."""
        flat = features.flatten(1)
        cosines = self.vectors.to(flat.device) @ functional.normalize(flat, dim=0)
        return cosines.reshape(-1, *features.shape[1:])


@dataclass(frozen=True)
class Looker:
    """All it takes to find queries in pictures.

    Attributes:
        backbone: gives features.
        queries: what is looked for, in the backbone's space.
        settings: of windows and bias.
        upsampler: gives every pixel a feature of its own; None enlarges logits instead.
    """

    backbone: Backbone
    queries: Queries
    settings: VocabularySettings
    upsampler: Upsampler | None = None

    def __post_init__(self) -> None:
        """Refuse settings that do not fit the backbone or the queries.

        Raises:
            BadParameter: the window is too large, or the background is none of the classes.
        """
        n_classes = max(self.queries.class_of) + 1
        if self.settings.prob_thd > 0 and self.settings.bg_idx >= n_classes:
            raise BadParameter(
                f'"bg_idx" is {self.settings.bg_idx}; with {n_classes} classes expected 0 to {n_classes - 1}.', "bg_idx"
            )
        limit = self.backbone.max_size
        if limit is not None and self.settings.window > limit:
            raise BadParameter(
                f'"window" is {self.settings.window} pixels; this network takes {limit} at most.', "window"
            )

    @property
    def class_of(self) -> tuple[int, ...]:
        """Number of the class each query speaks for."""
        return self.queries.class_of

    @torch.inference_mode()
    def find(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return logits (Q, H, W), about -1..1, of a picture uint8 (H, W, 3)."""
        long_side = self.settings.long_side
        shown = rgb if long_side is None else resize_long_side(rgb, long_side)
        windows = plan_sliding(*shown.shape[:2], size=self.settings.window, stride=self.settings.stride)

        def look(window: PixelWindow) -> Tensor:
            col, row, width, height = window
            return self.look(np.ascontiguousarray(shown[row : row + height, col : col + width]))

        logits = average_windows(shown.shape[:2], windows, look)
        return _resize(logits, rgb.shape[:2])

    @torch.inference_mode()
    def look(self, patch: NDArray[np.uint8]) -> Tensor:
        """Return logits (Q, H, W) of one window, uint8 (H, W, 3)."""
        seen = self.backbone.encode(patch)
        logits = compare(seen, self.queries, self.settings.global_bias, self.upsampler)
        return logits[:, : patch.shape[0], : patch.shape[1]]


def compare(
    seen: DenseFeatures, queries: Queries, global_bias: float = -0.3, upsampler: Upsampler | None = None
) -> Tensor:
    """Return logits (Q, H, W) from where the pixels that were given begin, to the lower right end of the picture.

    Features are upsampled before they are normalised. The last rows and columns may be padding.

    Args:
        seen: features of one window.
        queries: what is looked for.
        global_bias: see `VocabularySettings`.
        upsampler: for features; None enlarges the logits, bilinear.
    """
    if upsampler is None:
        logits = queries.compare(seen.patches)
    else:
        bands = upsampler.bands(seen.patches[None], seen.picture[None])
        logits = torch.cat([queries.compare(band[0]) for band in bands], dim=1)
    logits = logits + global_bias * queries.compare(seen.whole[:, None, None])
    return _resize(logits, seen.picture.shape[1:])[:, seen.top :, seen.left :]


def _resize(logits: Tensor, shape: tuple[int, ...]) -> Tensor:
    if logits.shape[1:] == torch.Size(shape[:2]):
        return logits
    return functional.interpolate(logits[None], size=tuple(shape[:2]), mode="bilinear", align_corners=False)[0]
