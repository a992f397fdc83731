"""Finds images below a folder, cuts large ones into windows, and reads windows as the network sees them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from server.datasets.errors import BadDataset
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.refused import find_refused
from server.rasters.look import choose_bands
from server.rasters.opening import open_raster
from server.rasters.stretch import StretchMode
from server.rasters.windows import Patch, PatchReader, PixelWindow, plan_windows
from server.vectors.placement import read_placement

IMAGE_SUFFIXES = frozenset((".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2"))
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class SceneImage:
    """A window of an image file, not yet read.

    Attributes:
        path: the file.
        name: the file's path below the folder of images without ending, and the window's corner where it was cut.
        group: the area it belongs to.
        window: the part of the file.
        size: width and height of the file in pixels.
    """

    path: Path
    name: str
    group: str
    window: PixelWindow
    size: tuple[int, int]

    def read(self, stretch: StretchMode) -> Patch:
        """Read the window.

        Raises:
            NotARaster: the file cannot be read.
        """
        with PatchReader(self.path, choose_bands(self.path, None), mode=stretch) as reader:
            return reader.read_patch(self.window)


def find_files(folder: Path) -> dict[str, Path]:
    """Return image files by their path below `folder` without ending; a single file counts as a folder of one.

    Raises:
        BadDataset: there are none, or none that can be read, or two differ in nothing but the ending.
    """
    if folder.is_file():
        return {folder.stem: folder}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not paths:
        refused = list(find_refused(folder).values())
        if refused:
            raise BadDataset(f"None of the {len(refused)} images can be read. {refused[0]}", "images")
        raise BadDataset(f"{folder} holds no images; expected GeoTIFF, PNG, JPEG or JPEG 2000 files.", "images")
    found: dict[str, Path] = {}
    for path in paths:
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in found:
            raise BadDataset(
                f"{found[key].name} and {path.name} in {path.parent} differ only in their ending, so nothing tells "
                "which one is meant; remove one.",
                "images",
            )
        found[key] = path
    return found


def open_image(path: Path, key: str, folder: Path, options: ReadingOptions) -> Iterator[SceneImage]:
    """Yield the windows of one image file: one, or several where it is larger than `options.max_side_px`.

    Args:
        path: the file.
        key: its path below the folder of images, without ending.
        folder: the folder of images, or the file itself.
        options: how to group and cut.

    Raises:
        NotARaster: the file cannot be read.
        BadDataset: the file cannot be assigned to an area.
    """
    with open_raster(path) as raster:
        size = (raster.width, raster.height)
        windows = plan_windows(*size, size=options.max_side_px, overlap=0)
        for window in windows:
            name = key if len(windows) == 1 else f"{key}_c{window.col}_r{window.row}"
            group = _group_of(
                raster, window, Path(path.name) if folder.is_file() else path.relative_to(folder), options.grouping
            )
            yield SceneImage(path, name, group, window, size)


def _group_of(raster: DatasetReader, window: PixelWindow, path: Path, grouping: Grouping) -> str:
    """Return the area of a window; `path` is relative to the folder of images."""
    if grouping.by == "location":
        return _block_of(raster, window, path, grouping.block_m)
    if grouping.by == "folder":
        return path.parent.as_posix()
    try:
        match = re.search(grouping.pattern, path.with_suffix("").as_posix())
    except re.error as error:
        raise BadDataset(f'"{grouping.pattern}" is no regular expression ({error}); correct it.', "group") from error
    if match is None:
        raise BadDataset(
            f'"{grouping.pattern}" finds nothing in the name {path.stem}, so its area is unknown; choose an expression '
            "that fits every name.",
            "group",
        )
    return match.group(1) if match.re.groups and match.group(1) is not None else match.group(0)


def _block_of(raster: DatasetReader, window: PixelWindow, path: Path, block_m: float) -> str:
    """Return the square block of the ground, counted from the equator and from Greenwich, of a window's centre."""
    placement = read_placement(raster)
    if not placement.is_georeferenced:
        raise BadDataset(
            f"{path.name} has no place on Earth, so nothing tells its area; group by name or folder.",
            "group",
        )
    centre = np.array([[window.col + window.width / 2, window.row + window.height / 2]])
    lon, lat = placement.to_lonlat(placement.to_map(centre))[0].tolist()
    row = math.floor(lat * METRES_PER_DEGREE / block_m)
    # The width of a degree is that of the block's own latitude, so that all images of a row are cut alike.
    latitude = math.radians((row + 0.5) * block_m / METRES_PER_DEGREE)
    col = math.floor(lon * METRES_PER_DEGREE * math.cos(latitude) / block_m)
    return f"block {row} {col}"
