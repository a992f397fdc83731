"""Writes the maps of one image: PNG for everyone, GeoTIFF and GeoPackage where the image has a place on Earth."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.datasets.building.instances import Instance
from server.datasets.building.layout import Layout, drafting
from server.datasets.building.painting import UNLABELLED
from server.datasets.images import SceneImage
from server.rasters.colours import colours_of
from server.rasters.labels import LabelCanvas, Palette
from server.rasters.opening import open_raster
from server.rasters.windows import PixelWindow
from server.vectors.geopackage import ObjectAttributes, write_objects
from server.vectors.placement import read_placement

MAX_PNG_ID = 65_535
N_COLOURS = 256
SOURCE = "box"
# GeoPackages tell when they were changed, which would make every run's file another one.
NO_TIME = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Maps:
    """What was painted.

    Attributes:
        classes: uint8 (H, W), 255 where nothing is labelled.
        objects: int32 (H, W), 0 where there is no object.
    """

    classes: NDArray[np.uint8]
    objects: NDArray[np.int32]


def make_palette(class_names: Sequence[str]) -> Palette:
    """Return the colours of classes whose values are their places in the list."""
    colours = colours_of(np.arange(1, len(class_names) + 1)).tolist()
    return Palette(
        names=dict(enumerate(class_names)),
        colours={value: (red, green, blue) for value, (red, green, blue) in enumerate(colours)},
        background=UNLABELLED,
    )


def write_maps(layout: Layout, image: SceneImage, maps: Maps, instances: Sequence[Instance], palette: Palette) -> None:
    """Write all maps of an image, each whole or not at all.

    Args:
        layout: of the dataset.
        image: that they belong to.
        maps: what was painted.
        instances: that were painted.
        palette: of the classes.
    """
    with drafting(layout.classes_png(image.name)) as draft:
        _write_classes(draft, maps.classes, palette)
    if maps.objects.max(initial=0) <= MAX_PNG_ID:
        with drafting(layout.objects_png(image.name)) as draft:
            cv2.imwrite(str(draft), maps.objects.astype(np.uint16))
    else:
        _write_canvas(layout.objects_large(image.name), image, maps.objects, None)
    with open_raster(image.path) as raster:
        has_place = read_placement(raster).georeference is not None
    if has_place:
        _write_canvas(layout.classes_tif(image.name), image, maps.classes, palette)
        _write_canvas(layout.objects_tif(image.name), image, maps.objects, None)
        with drafting(layout.outlines(image.name)) as draft:
            write_objects(layout.objects_tif(image.name), draft, _describe(instances))
            _forget_time(draft)


def _write_classes(target: Path, classes: NDArray[np.uint8], palette: Palette) -> None:
    table = np.zeros((N_COLOURS, 3), np.uint8)
    for value, colour in palette.colours.items():
        table[value] = colour
    picture = Image.fromarray(classes)
    picture.putpalette(table.ravel().tolist())
    picture.save(target)


def _write_canvas(
    target: Path, image: SceneImage, values: NDArray[np.int32] | NDArray[np.uint8], palette: Palette | None
) -> None:
    """Write a GeoTIFF that lies where the image lies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with drafting(target) as draft, LabelCanvas(image.path, target.parent, palette) as canvas:
        canvas.write(PixelWindow(0, 0, canvas.width, canvas.height), values)
        canvas.write_cog(draft)


def _describe(instances: Sequence[Instance]) -> Mapping[int, ObjectAttributes]:
    return {
        instance.target.id: ObjectAttributes(
            predicted_iou=instance.predicted_iou,
            stability_score=instance.stability_score,
            point_xy=instance.target.box.centre,
            class_name=instance.target.detection.class_name,
            source=SOURCE,
        )
        for instance in instances
    }


def _forget_time(geopackage: Path) -> None:
    with closing(sqlite3.connect(geopackage)) as connection:
        connection.execute("UPDATE gpkg_contents SET last_change = ?", (NO_TIME,))
        connection.commit()
