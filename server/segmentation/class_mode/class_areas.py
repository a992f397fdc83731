"""Turns a class raster into objects: every connected area of a class gets an id, an outline and a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from server.rasters.label_reader import LabelReader
from server.rasters.labels import LabelCanvas
from server.rasters.opening import open_raster
from server.rasters.windows import PixelWindow
from server.segmentation.progress import Progress, Span
from server.segmentation.whole_raster.leftovers import Leftovers
from server.segmentation.whole_raster.painting import LabelPainting, number_visible, split_into_blocks
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS
from server.vectors.geopackage import ObjectAttributes, write_objects
from server.vectors.placement import read_placement

# Files of a result beside labels and outlines, where it has classes.
CLASSES, PROBABILITY = "classes.tif", "probability.tif"
# A degree of longitude shrinks towards the poles, so pixels are measured in bands of so many rows.
BAND_ROWS = 256
PERCENT = 100.0


@dataclass(frozen=True)
class ClassRaster:
    """Files of one classification.

    Attributes:
        classes: uint8 raster: 1 + the number of the class, 0 for none.
        probability: raster of the same size: how likely each pixel's class is, in per cent.
        region: outside of it there are no classes.
    """

    classes: Path
    probability: Path
    region: PixelWindow


@dataclass(frozen=True)
class AreaRules:
    """What becomes an object.

    Attributes:
        names: of the classes, by number.
        min_area_px: smaller areas stay in the class raster, and are no objects.
        source: written with every outline: how the classes were found.
    """

    names: Sequence[str]
    min_area_px: int
    source: str


def write_class_areas(raster: ClassRaster, folder: Path, rules: AreaRules, span: Span) -> int:
    """Write `labels.tif` and `objects.gpkg` of the connected areas (over sides of pixels) of all classes.

    Labels are int32 with ids 1..N without gaps, class after class; the score of an area, its column `predicted_iou`,
    is the mean probability of its pixels.

    Args:
        raster: what was classified.
        folder: receives both files.
        rules: what becomes an object.
        span: of the work; may raise to stop.

    Returns:
        Number of objects.
    """
    with LabelReader(raster.classes) as classes, LabelCanvas(raster.classes, folder) as labels:
        sizes, numbers = _number_areas(classes, labels, raster.region, len(rules.names), span.part(0.0, 0.5))
        is_kept = sizes >= rules.min_area_px
        if not is_kept.all():
            ids = number_visible(sizes * is_kept)
            tell = span.part(0.5, 0.6).stage("dropping small areas")
            LabelPainting(labels, raster.region, lambda block: classes.read(block) > 0).renumber(ids, tell)
        means = _average(raster, labels, sizes[is_kept], span.part(0.6, 0.7))
        labels.write_cog(folder / LABELS, span.progress.check)
    attributes = {
        number: ObjectAttributes(predicted_iou=mean, class_name=rules.names[of_class], source=rules.source)
        for number, (mean, of_class) in enumerate(zip(means.tolist(), numbers[is_kept].tolist(), strict=True), start=1)
    }
    tell = span.part(0.7, 1.0).stage("drawing outlines")
    return write_objects(folder / LABELS, folder / OBJECTS, attributes, tell)


def _number_areas(
    classes: LabelReader, labels: LabelCanvas, region: PixelWindow, n_classes: int, span: Span
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give every area an id from 1; return their pixels (N,) and the numbers of their classes (N,).

    Free ground on which an object may lie is numbered as full cover numbers what no mask covers; here the ground is
    one class after the other.
    """
    sizes, numbers = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def find(number: int, block: PixelWindow) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = classes.read(block) == number + 1
        return found

    for number in range(n_classes):
        painting = LabelPainting(labels, region, partial(find, number))
        part = span.part(number / n_classes, (number + 1) / n_classes)
        found = Leftovers(painting, 1.0).number_rest(len(sizes), part.stage("numbering areas"))
        sizes = np.concatenate([sizes, found])
        numbers = np.concatenate([numbers, np.full(len(found), number)])
    return sizes, numbers


def _average(raster: ClassRaster, labels: LabelCanvas, sizes: NDArray[np.int64], span: Span) -> NDArray[np.float64]:
    """Return float64 (N,), 0..1: the mean probability of the pixels of each of N areas."""
    sums = np.zeros(len(sizes) + 1)
    blocks = list(split_into_blocks(raster.region))
    tell = span.stage("rating areas")
    with LabelReader(raster.probability) as probability:
        for done, block in enumerate(blocks):
            tell(done / len(blocks))
            ids = labels.read(block).ravel()
            sums += np.bincount(ids, weights=probability.read(block).ravel(), minlength=len(sums))
    return np.round(sums[1:] / np.maximum(sizes, 1) / PERCENT, 4)


@dataclass(frozen=True)
class ClassArea:
    """How much of a raster belongs to a class.

    Attributes:
        n_pixels: of the class.
        area_m2: geodesic; None where the raster has no place on Earth.
    """

    n_pixels: int
    area_m2: float | None


def measure_again(classes: Path, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows about classes with the areas they have now that their raster has another place on Earth."""
    with open_raster(classes) as raster:
        whole = PixelWindow(0, 0, raster.width, raster.height)
    measured = measure_classes(classes, whole, len(rows), Span(Progress(lambda *_: None)))
    return [{**row, "area_m2": area.area_m2} for row, area in zip(rows, measured, strict=True)]


def measure_classes(classes: Path, region: PixelWindow, n_classes: int, span: Span) -> list[ClassArea]:
    """Return pixels and area of every class.

    Args:
        classes: uint8 raster: 1 + the number of the class, 0 for none.
        region: outside of it there are no classes.
        n_classes: how many there are.
        span: of the work; may raise to stop.
    """
    n_pixels, areas_m2 = np.zeros(n_classes + 1, np.int64), np.zeros(n_classes + 1)
    with open_raster(classes) as raster:
        placement = read_placement(raster)
    blocks = list(split_into_blocks(region))
    tell = span.stage("measuring areas")
    with LabelReader(classes) as reader:
        for done, block in enumerate(blocks):
            tell(done / len(blocks))
            values = reader.read(block)
            for first in range(0, block.height, BAND_ROWS):
                band = values[first : first + BAND_ROWS]
                counts = np.bincount(band.ravel(), minlength=n_classes + 1)
                n_pixels += counts
                top = block.row + first
                extent = shapely.box(block.col, top, block.col + block.width, top + len(band))
                area_m2 = placement.measure_m2(shapely.MultiPolygon([extent]))
                areas_m2 += counts * (np.nan if area_m2 is None else area_m2 / band.size)
    return [
        ClassArea(int(pixels), None if np.isnan(area) else round(float(area), 2))
        for pixels, area in zip(n_pixels[1:], areas_m2[1:], strict=True)
    ]
