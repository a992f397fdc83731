"""Tiny labelled imagery in folders, as people have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return tmp_path / "masks"


@pytest.fixture
def save_picture() -> Callable[..., Path]:
    def save(path: Path, values: np.ndarray, palette: list[int] | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(values)
        if palette is not None:
            picture = picture.convert("L")
            picture.putpalette(palette)
        picture.save(path)
        return path

    return save


@pytest.fixture
def save_pair(images: Path, masks: Path, save_picture: Callable[..., Path]) -> Callable[..., None]:
    """Save a grey image and its mask, whatever size the mask has."""

    def save(name: str, mask: np.ndarray, palette: list[int] | None = None, suffix: str = ".png") -> None:
        rows, cols = np.mgrid[: mask.shape[0], : mask.shape[1]]
        save_picture(images / f"{name}.png", np.stack([rows, cols, rows + cols], axis=2).astype(np.uint8))
        save_picture(masks / f"{name}{suffix}", mask, palette)

    return save
