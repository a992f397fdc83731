"""What the last block of a CLIP image tower may compute; known without torch."""

from __future__ import annotations

from enum import StrEnum


class LastBlock(StrEnum):
    """What the last block computes.

    Every variant but `XCLIP` replaces its attention; q, k and v are its projections of the normalised tokens.
    """

    # softmax(qq') + softmax(kk') + softmax(vv'), a sum and not a mean: SegEarth-OV, CVPR 2025.
    SEGEARTH = "segearth"
    # softmax(qk'), the attention CLIP was trained with.
    VANILLA = "vanilla"
    # Every token looks at itself alone: MaskCLIP, ECCV 2022.
    MASKCLIP = "maskclip"
    # softmax(qq') + softmax(kk'): SCLIP, ECCV 2024.
    SCLIP = "sclip"
    # softmax(qq'): ClearCLIP, ECCV 2024.
    CLEARCLIP = "clearclip"
    # The block is left out: its input is its output. SimFeatUp is trained on that.
    XCLIP = "xclip"
