"""Reads labelled imagery of any supported kind: what the labels are is told by what `masks` points at."""

from __future__ import annotations

import json
from pathlib import Path

from server.datasets.coco import open_annotated_images
from server.datasets.errors import BadDataset
from server.datasets.masks import open_masked_images
from server.datasets.options import ReadingOptions
from server.datasets.polygons import open_outlined_images
from server.datasets.scenes import Dataset

VECTOR_SUFFIXES = frozenset((".geojson", ".gpkg", ".shp", ".fgb"))


def read_dataset(images: Path, masks: Path, options: ReadingOptions | None = None) -> Dataset:
    """Open labelled imagery; pixels are read when records are asked for.

    Args:
        images: a folder of images, or one image.
        masks: a folder of masks or one mask (GeoTIFF, PNG, JPEG), a COCO file (.json), or polygons over georeferenced
            rasters (.geojson, .gpkg, .shp, .fgb, or GeoJSON called .json).
        options: how to read them; None takes the defaults.

    Raises:
        BadDataset: images and labels do not fit each other.
        NotARaster: an image cannot be opened.
    """
    chosen = options or ReadingOptions()
    for path, field in ((images, "images"), (masks, "masks")):
        if not path.exists():
            raise BadDataset(f"{path} does not exist; give a folder or a file.", field)
    suffix = masks.suffix.lower()
    if suffix in VECTOR_SUFFIXES or (suffix == ".json" and _is_geojson(masks)):
        return open_outlined_images(images, masks, chosen)
    if suffix == ".json":
        return open_annotated_images(images, masks, chosen)
    return open_masked_images(images, masks, chosen)


def _is_geojson(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # said by the reader, which tells what it expects
        return False
    return isinstance(content, dict) and content.get("type") == "FeatureCollection"
