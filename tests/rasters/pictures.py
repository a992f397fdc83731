"""Reads PNG files back for the tests of this folder."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def read_png(content: bytes | None) -> NDArray[np.uint8]:
    """Return (H, W, 4) RGBA."""
    assert content is not None
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    assert picture.mode == "RGBA"
    return np.array(picture)
