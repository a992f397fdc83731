"""Random crops of images of any kind, at their own resolution."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from server.errors import BadParameter, NotARaster
from server.rasters.opening import gdal_environment, open_raster
from server.rasters.windows import PatchReader, PixelWindow

# Crops with less valid ground than this teach nothing; another one is drawn, so many times.
MIN_VALID_SHARE, MAX_DRAWS = 0.8, 20
MAX_OPEN = 64


def find_images(paths: Iterable[Path], size: int) -> list[Path]:
    """Return the images among files and in folders, all the way down, that have three bands and room for a crop.

    Raises:
        BadParameter: there is none.
    """
    given = list(paths)
    files = sorted(file for path in given for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
    images = [file for file in files if _has_room(file, size)]
    if not images:
        raise BadParameter(
            f"Among {len(files)} files in {', '.join(map(str, given))} there is no image with three bands of at least "
            f"{size} x {size} pixels. Give a folder of images, or smaller crops with --crop.",
            "images",
        )
    return images


def _has_room(file: Path, size: int) -> bool:
    try:
        with open_raster(file) as raster:
            return bool(raster.count >= 3 and min(raster.width, raster.height) >= size)
    except NotARaster:
        return False


class CropReader:
    """Draws crops from images; a context manager that keeps some images open, because stretching takes a look at all.

    Attributes:
        size: side of the crops in pixels.
    """

    def __init__(self, images: Sequence[Path], size: int) -> None:
        """Prepare to draw from images with room for a crop."""
        self.size = size
        self._images = images
        self._open: OrderedDict[Path, tuple[ExitStack, PatchReader]] = OrderedDict()
        # Each open image has an environment of rasterio's inside this one; so they may be closed in any order.
        self._around = gdal_environment()

    def __enter__(self) -> Self:
        self._around.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._open:
            self._close_oldest()
        self._around.__exit__(kind, error, traceback)

    def draw(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return a random crop uint8 (size, size, 3) of a random image; the first three bands."""
        for _ in range(MAX_DRAWS):
            image = self._images[int(rng.integers(len(self._images)))]
            with open_raster(image) as raster:
                col, row = (int(rng.integers(side - self.size + 1)) for side in (raster.width, raster.height))
            patch = self._reader_of(image).read_patch(PixelWindow(col, row, self.size, self.size))
            if patch.valid.mean() >= MIN_VALID_SHARE:
                break
        return patch.rgb

    def _reader_of(self, image: Path) -> PatchReader:
        if image not in self._open:
            if len(self._open) >= MAX_OPEN:
                self._close_oldest()
            closing = ExitStack()
            self._open[image] = closing, closing.enter_context(PatchReader(image, (1, 2, 3)))
        self._open.move_to_end(image)
        return self._open[image][1]

    def _close_oldest(self) -> None:
        _, (closing, _) = self._open.popitem(last=False)
        closing.close()
