"""Images with a mask file each: classes by value or colour, instance ids, or black and white."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window

from server.datasets.class_table import BINARY_VALUES, ClassTable
from server.datasets.components import label_components
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage, find_files, open_image
from server.datasets.labelled_windows import LabelledWindow
from server.datasets.options import ReadingOptions
from server.datasets.scenes import UNKNOWN, Dataset, Labels, list_names
from server.rasters.opening import open_raster
from server.rasters.reading import Valid, Values, expand_palette, read_bands, read_palette
from server.rasters.windows import PixelWindow


@dataclass(frozen=True)
class MaskFile:
    """Implements `LabelSource` with one mask file.

    Attributes:
        path: the file.
        options: what its values mean.
    """

    path: Path
    options: ReadingOptions

    def read_labels(self, image: SceneImage) -> tuple[Labels, Labels]:
        """Return objects and classes of the window; see `LabelSource`.

        Raises:
            BadDataset: image and mask differ in size, or the mask holds what nothing explains.
            NotARaster: the mask cannot be read.
        """
        with open_raster(self.path) as raster:
            _check_size(raster, image, self.path)
            return _read_labels(raster, image.window, self.path.name, self.options)


def open_masked_images(images: Path, masks: Path, options: ReadingOptions) -> Dataset:
    """Pair images and masks by their path below the two folders, without endings.

    Raises:
        BadDataset: no pairs are found.
        NotARaster: an image cannot be opened.
    """
    image_files, mask_files = find_files(images), find_files(masks)
    if options.mask_suffix:
        image_files = {key: path for key, path in image_files.items() if not key.endswith(options.mask_suffix)}
    if images.is_file() and masks.is_file():
        mask_files = {images.stem + options.mask_suffix: masks}
    pairs = {
        key: mask_files[key + options.mask_suffix] for key in image_files if key + options.mask_suffix in mask_files
    }
    if not pairs:
        raise BadDataset(
            f"No image has a mask of the same name: images are called {list_names(image_files)}, masks are called "
            f"{list_names(mask_files)}. Rename one side, or tell what the masks' names have in addition.",
            "masks",
        )
    table = options.class_table
    class_names = (options.class_name,) if table is None else table.class_names
    sources = [
        LabelledWindow(image, MaskFile(mask, options), options.stretch)
        for key, mask in pairs.items()
        for image in open_image(image_files[key], key, images, options)
    ]
    return Dataset(sources, class_names, list(_tell_unpaired(image_files, mask_files, pairs, options.mask_suffix)))


def _tell_unpaired(
    images: dict[str, Path], masks: dict[str, Path], pairs: dict[str, Path], suffix: str
) -> Iterator[str]:
    lonely_images = images.keys() - pairs.keys()
    lonely_masks = masks.keys() - {key + suffix for key in pairs} - images.keys()
    if lonely_images:
        yield f"{len(lonely_images)} images without a mask are left out: {list_names(lonely_images)}."
    if lonely_masks:
        yield f"{len(lonely_masks)} masks without an image are left out: {list_names(lonely_masks)}."


def _check_size(raster: DatasetReader, image: SceneImage, mask: Path) -> None:
    if (raster.width, raster.height) != image.size:
        raise BadDataset(
            f"{image.path.name} has {image.size[0]} x {image.size[1]} pixels and its mask {mask.name} "
            f"{raster.width} x {raster.height}; both need the same pixels. Resample the mask to the image's grid.",
            "masks",
        )


def _read_labels(
    raster: DatasetReader, window: PixelWindow, source: str, options: ReadingOptions
) -> tuple[Labels, Labels]:
    """Return objects and classes, int32 (H, W) each, of an open mask."""
    part = Window(window.col, window.row, window.width, window.height)
    table = options.class_table
    if options.mask_kind == "instances" or (options.mask_kind == "auto" and _looks_like_ids(raster, options)):
        return _read_instances(raster, part, source)
    if table is not None and table.is_coloured:
        codes, valid = _read_colours(raster, part, source)
    else:
        codes, valid = _read_values(raster, part, source)
    classes = _read_binary(codes, source, options) if table is None else _translate(table, codes, valid, source)
    classes[~valid] = UNKNOWN
    return label_components(classes), classes


def _looks_like_ids(raster: DatasetReader, options: ReadingOptions) -> bool:
    return options.class_table is None and options.threshold is None and raster.dtypes[0] != "uint8"


def _translate(table: ClassTable, codes: NDArray[np.int64], valid: NDArray[np.bool_], source: str) -> Labels:
    """Translate what the mask knows; its own nodata needs no row in the table."""
    known = codes[valid]
    classes = np.full(codes.shape, UNKNOWN, np.int32)
    if known.size:
        classes[valid] = table.to_classes(known, source)
    return classes


def _read_instances(raster: DatasetReader, part: Window, source: str) -> tuple[Labels, Labels]:
    """Return object ids numbered anew from 1, and class 1 wherever there is an object."""
    ids, valid = _read_values(raster, part, source)
    found, places = np.unique(np.maximum(ids, 0), return_inverse=True)
    numbers = np.arange(len(found), dtype=np.int32) + (0 if found[0] == 0 else 1)
    objects = numbers[places.reshape(ids.shape)]
    objects[ids < 0] = UNKNOWN
    # A mask's nodata is usually its background 0; anything else that is no data is unknown.
    objects[~valid & (ids != 0)] = UNKNOWN
    return objects, np.sign(objects).astype(np.int32)


def _read_values(raster: DatasetReader, part: Window, source: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the values of a one-band mask and where it holds data."""
    n_bands = sum(colour != ColorInterp.alpha for colour in raster.colorinterp)
    if n_bands > 1:
        planes = raster.read([1, 2, 3], window=part) if n_bands == 3 else None
        if planes is None or not (planes[0] == planes[1]).all() or not (planes[0] == planes[2]).all():
            raise BadDataset(
                f"The mask {source} is a picture of {n_bands} bands, but values of one band are expected; give a class "
                'table with "colour" in place of "value", or save the mask with one band.',
                "masks",
            )
    values, valid = read_bands(raster, [1], part)
    is_real = values.dtype.kind == "f"
    if is_real and not np.equal(np.floor(values[valid]), values[valid]).all():
        raise BadDataset(
            f"The mask {source} holds fractions; expected whole numbers, one per class or object.", "masks"
        )
    # NaN has no whole number.
    return np.where(valid[0], values[0], 0).astype(np.int64) if is_real else values[0].astype(np.int64), valid[0]


def _read_colours(raster: DatasetReader, part: Window, source: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return colours as one number each, and where the mask is not transparent."""
    colours: Values
    seen: Valid
    palette = read_palette(raster, [1])
    if palette is not None:
        values, valid = read_bands(raster, [1], part)
        colours, seen = expand_palette(values[0], valid[0], palette)
    elif raster.count >= 3:
        colours, all_valid = read_bands(raster, [1, 2, 3], part)
        seen = np.logical_or.reduce(all_valid, axis=0)
    else:
        raise BadDataset(
            f'The mask {source} has one band without a palette, but the class table lists colours; use "value" in the '
            "table.",
            "classes",
        )
    red, green, blue = colours.astype(np.int64)
    return 65536 * red + 256 * green + blue, seen


def _read_binary(codes: NDArray[np.int64], source: str, options: ReadingOptions) -> Labels:
    """Return class 1 where a mask without table is set, and 0 elsewhere."""
    if options.threshold is not None:
        return (codes >= options.threshold).astype(np.int32)
    found = np.unique(codes).tolist()
    if not (set(found) <= BINARY_VALUES or set(found) <= {0, 1}):
        raise BadDataset(
            f"The mask {source} holds {len(found)} values ({', '.join(map(str, found[:8]))}…) and there is no class "
            "table; give one, or a threshold for grey masks, or say that values are instance ids.",
            "classes",
        )
    return (codes > 0).astype(np.int32)
