"""Every knob of open-vocabulary segmentation, with the published defaults."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import BadParameter
from server.vocabulary.last_block import LastBlock

# Larger windows and pictures are refused: attention grows with the fourth power of the side.
MAX_SIDE_PX = 2048


@dataclass(frozen=True)
class VocabularySettings:
    """How a picture becomes a class map. Defaults are those of SegEarth-OV (CVPR 2025).

    Attributes:
        last_block: what the last block of a CLIP image tower computes.
        ignore_residual: leave out the residual connections and the feed-forward part of that block.
        long_side: pictures are resized until their long side has so many pixels; None leaves them as they are.
            Windows of whole rasters follow the ground resolution instead.
        window: side of the square windows, in pixels of the resized picture.
        stride: from one window to the next; the last one of a row or column is shifted inwards.
        global_bias: how much of cos(whole picture, query) is added to every pixel's cos(pixel, query); below 0 takes
            away what all pixels have in common. 0 for xBD.
        logit_scale: the softmax over all queries is taken of so many times the logits.
        prob_thd: pixels whose likeliest class has less probability become background; 0 lets every pixel have a class.
        bg_idx: number of the background in the list of classes, from 0.
    """

    last_block: LastBlock = LastBlock.SEGEARTH
    ignore_residual: bool = True
    long_side: int | None = 448
    window: int = 224
    stride: int = 112
    global_bias: float = -0.3
    logit_scale: float = 50.0
    prob_thd: float = 0.0
    bg_idx: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            BadParameter: a value is out of its range.
        """
        _check("window", self.window, 1, MAX_SIDE_PX)
        _check("stride", self.stride, 1, self.window)
        if self.long_side is not None:
            _check("long_side", self.long_side, 1, MAX_SIDE_PX)
        _check("global_bias", self.global_bias, -10, 10)
        _check("logit_scale", self.logit_scale, 0.01, 1000)
        _check("prob_thd", self.prob_thd, 0, 1)
        _check("bg_idx", self.bg_idx, 0, 255)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # false for NaN, too
        raise BadParameter(f'"{name}" is {value}; expected {low} to {high}.', name)
