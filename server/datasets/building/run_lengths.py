"""Masks as run lengths in COCO's compressed form, without drawing the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from server.datasets.errors import BadDataset
from server.rasters.windows import PixelWindow
from server.vectors.coco import count_runs
from server.vectors.packed_counts import unpack_counts


def encode_mask(mask: NDArray[np.bool_], window: PixelWindow, size: tuple[int, int]) -> dict[str, Any]:
    """Return compressed run lengths as COCO has them.

    Args:
        mask: bool (height, width) of the window.
        window: where it lies in the image.
        size: width and height of the image.
    """
    width, height = size
    borders = np.diff(np.pad(mask.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    cols, starts = np.nonzero(borders == 1)
    _, ends = np.nonzero(borders == -1)
    runs = np.stack([(cols + window.col) * height + starts + window.row, ends - starts], axis=1).astype(np.int64)
    counts = count_runs([runs], width * height) if len(runs) else [width * height]
    packed = run_lengths.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}


def read_mask(annotation: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the mask of an annotation, bool (height, width) of its `bbox`, without unpacking the whole image."""
    left, top, width, height = annotation["bbox"]
    rows = annotation["segmentation"]["size"][0]
    ends = np.cumsum(read_counts(annotation["segmentation"]["counts"]))
    # Runs go down column by column, and the first one is outside.
    starts, stops = ends[:-1:2] - left * rows, ends[1::2] - left * rows
    n_pixels = width * rows
    borders = np.zeros(n_pixels + 1, np.int32)
    np.add.at(borders, starts[: len(stops)].clip(0, n_pixels), 1)
    np.add.at(borders, stops.clip(0, n_pixels), -1)
    strip = np.cumsum(borders[:-1]).astype(np.bool_).reshape(width, rows)
    return strip[:, top : top + height].T.copy()


def read_counts(packed: str) -> NDArray[np.int64]:
    """Return the run lengths that COCO packs into a text.

    Args:
        packed: "counts" of a segmentation.

    Raises:
        BadDataset: it holds none.
    """
    counts = unpack_counts(packed)
    if counts is None:
        raise BadDataset("A record's mask is damaged; remove the record and run build-dataset again.", "dataset")
    return np.array(counts, np.int64)
