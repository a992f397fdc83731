"""Images whose objects have outlines: boxes are made from these, and masks of the boxes are compared with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from server.datasets.building.annotations import Annotation
from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Making, Provenance
from server.datasets.building.layout import Layout
from server.datasets.building.opening import open_source
from server.datasets.building.records import read_record
from server.datasets.building.settings import BuildSettings, Gate
from server.datasets.building.summary import BuildSummary
from server.datasets.images import find_files
from server.rasters.label_reader import LabelReader
from server.rasters.windows import PixelWindow
from server.segmentation.batch_prompts.network import BatchPredictor
from server.segmentation.batch_prompts.prompts import BatchNetwork
from server.segmentation.model_store import ModelStore

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
MOSAICS = Path("fair_hot_buildings") / "mosaics_z20"
BANEPA = Path("fair_banepa_buildings") / "train"
# Smaller ones are what the border of a mosaic leaves of a building.
MIN_AREA_PX = 100
EMBEDDING_CACHE_BYTES = 1 << 28
OPEN_GATE = Gate(0.0, 0.0, 0.0, 0.0, float("inf"))
CLASS_NAME = "building"


@dataclass(frozen=True)
class OutlinedImage:
    """An image and the map of its objects.

    Attributes:
        image: the file.
        ids: the file with the ids of objects, 0 where there are none.
    """

    image: Path
    ids: Path

    def read_ids(self) -> NDArray[np.int64]:
        """Return the ids, int64 (H, W)."""
        with LabelReader(self.ids) as reader:
            return np.asarray(reader.read(PixelWindow(0, 0, reader.width, reader.height)), np.int64)


@dataclass(frozen=True, eq=False)
class Footprint:
    """A building and the box that is asked for it.

    Attributes:
        id: its value in the map of ids; 0 where the box holds no building.
        corners: float64 (4, 2) of the box.
    """

    id: int
    corners: NDArray[np.float64]


# Makes boxes of a map of ids, the same ones at every call.
FindBoxes = Callable[[NDArray[np.int64]], Iterable[Footprint]]


@dataclass(frozen=True)
class Compared:
    """A mask and the footprint whose box it was asked with.

    Attributes:
        annotation: as the record has it.
        common_px: pixels of both.
        either_px: pixels of any.
    """

    annotation: Annotation
    common_px: int
    either_px: int

    @property
    def iou(self) -> float:
        """Of mask and footprint."""
        return self.common_px / self.either_px if self.either_px else 0.0


def list_regions(data: Path, regions: Sequence[int]) -> list[OutlinedImage]:
    """Return mosaics of fAIr with the footprints of their buildings."""
    mosaics = data / MOSAICS
    return [
        OutlinedImage(mosaics / f"region{region}_1.tif", mosaics / f"region{region}_1_instances.tif")
        for region in regions
    ]


def list_banepa(data: Path) -> list[OutlinedImage]:
    """Return the labelled tiles of Banepa."""
    images, ids = find_files(data / BANEPA / "oam"), find_files(data / BANEPA / "instances")
    return [OutlinedImage(path, ids[name]) for name, path in images.items() if name in ids]


def load_batch_network(ckpt_folder: Path, checkpoint: str) -> BatchNetwork:
    """Return a network that masks are asked of."""
    store = ModelStore(ckpt_folder, "auto", EMBEDDING_CACHE_BYTES)
    return BatchPredictor(store.make_predictor(checkpoint), nullcontext)


def build(network: BatchNetwork, source: tuple[Path, Path, str], settings: BuildSettings, out: Path) -> BuildSummary:
    """Make a dataset of images, labels in a format, as the command does."""
    making = Making(source[2], "study", "", "", "one by one")
    return DatasetBuilder(open_source(*source, None, None), settings, making, out).build(network, Provenance())


def lay_out_boxes(images: Iterable[OutlinedImage], folder: Path, find: FindBoxes) -> tuple[Path, Path, str]:
    """Write the boxes of footprints as DOTA has them, images linked beside; return images, labels and format."""
    places = folder / "images", folder / "labels"
    for place in places:
        place.mkdir(parents=True)
    for item in images:
        (places[0] / item.image.name).symlink_to(item.image.resolve())
        rows = [
            f"{' '.join(f'{value:.2f}' for value in footprint.corners.ravel())} {CLASS_NAME} 0"
            for footprint in find(item.read_ids())
        ]
        (places[1] / f"{item.image.stem}.txt").write_text("\n".join(rows), encoding="utf-8")
    return *places, "dota"


def find_footprints(ids: NDArray[np.int64], *, is_rotated: bool = False) -> Iterator[Footprint]:
    """Yield footprints of at least 100 pixels with upright rectangles, or the smallest rotated ones."""
    all_rows, all_cols = np.nonzero(ids > 0)
    values = ids[all_rows, all_cols]
    order = np.argsort(values, kind="stable")
    numbers, starts = np.unique(values[order], return_index=True)
    for number, places in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        if len(places) < MIN_AREA_PX:
            continue
        rows, cols = all_rows[places], all_cols[places]
        x0, y0, x1, y1 = cols.min(), rows.min(), cols.max() + 1, rows.max() + 1
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
        if is_rotated:
            edges = np.concatenate([np.stack([cols + dx, rows + dy], axis=1) for dx in (0, 1) for dy in (0, 1)])
            corners = cv2.boxPoints(cv2.minAreaRect(edges.astype(np.float32))).astype(np.float64)
        yield Footprint(number, corners)


def compare(out: Path, item: OutlinedImage, find: FindBoxes) -> Iterator[Compared]:
    """Compare every mask of a built dataset with its footprint, known by the middle of the corners.

    Args:
        out: folder of the dataset; its gate may be open or not.
        item: one of its images.
        find: what the boxes were made by.
    """
    ids = item.read_ids()
    areas = np.bincount(ids.ravel())
    footprints = list(find(ids))
    middles = np.array([footprint.corners.mean(axis=0) for footprint in footprints])
    for annotation in read_record(Layout(out), item.image.stem).annotations:
        middle = np.mean(annotation["corners"], axis=0)
        number = footprints[int(np.linalg.norm(middles - middle, axis=1).argmin())].id
        x, y, width, height = annotation["bbox"]
        part = slice(y, y + height), slice(x, x + width)
        mask = run_lengths.decode(annotation["segmentation"])[part].astype(bool)
        common = int(np.count_nonzero(mask & (ids[part] == number))) if number else 0
        yield Compared(annotation, common, int(annotation["area"] + areas[number] * bool(number)) - common)
