"""Georeferenced rasters whose objects are the polygons of one vector file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.datasets.drawing import draw_outlines
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage, find_files, open_image
from server.datasets.labelled_windows import LabelledWindow
from server.datasets.options import ReadingOptions
from server.datasets.polygon_layer import PolygonLayer, read_polygon_layer
from server.datasets.scenes import Dataset, Labels
from server.rasters.coordinates import Bounds, read_bounds
from server.rasters.opening import open_raster
from server.vectors.placement import Placement, read_placement


@dataclass(frozen=True)
class LaidOverPolygons:
    """Implements `LabelSource` with polygons that are laid over the image."""

    layer: PolygonLayer

    def read_labels(self, image: SceneImage) -> tuple[Labels, Labels]:
        """Return objects and classes of the window; see `LabelSource`.

        Raises:
            NotARaster: the image cannot be read.
        """
        with open_raster(image.path) as raster:
            placement = read_placement(raster)
        return draw_outlines(self.layer.outlines_on(placement, image.size), image.window)


def open_outlined_images(images: Path, polygons: Path, options: ReadingOptions) -> Dataset:
    """Lay the polygons of one file over all rasters of a folder; rasters beside all polygons are left out.

    Raises:
        BadDataset: the polygons cannot be read, or lie on none of the rasters.
        NotARaster: a raster cannot be opened.
    """
    layer = read_polygon_layer(polygons, options.class_attribute, options.class_name)
    labels = LaidOverPolygons(layer)
    sources: list[LabelledWindow] = []
    messages: dict[str, None] = {}  # in order, each once
    beside: list[str] = []
    for key, path in find_files(images).items():
        with open_raster(path) as raster:
            placement, bounds = read_placement(raster), read_bounds(raster)
        _require_place(path, bounds)
        if not _overlaps(layer, placement, bounds):
            beside.append(_tell_bounds(path, layer, placement, bounds))
            continue
        messages.update(dict.fromkeys(tell_crs(layer, placement)))
        windows = open_image(path, key, images, options)
        sources += [LabelledWindow(image, labels, options.stretch) for image in windows]
    if not sources:
        raise BadDataset(f"{beside[0]} They do not overlap; check the CRS that each file claims to have.", "masks")
    if beside:
        messages[f"{len(beside)} rasters outside of all polygons are left out. The first: {beside[0]}"] = None
    return Dataset(sources, layer.class_names, list(messages))


def _require_place(path: Path, bounds: Bounds | None) -> None:
    if bounds is None:
        raise BadDataset(
            f"{path.name} has no place on Earth, so polygons cannot be laid over it; add a world file or use masks.",
            "images",
        )


def _overlaps(layer: PolygonLayer, placement: Placement, bounds: Bounds | None) -> bool:
    left, bottom, right, top = layer.bounds_in(placement.crs)
    return bounds is not None and left < bounds[2] and bounds[0] < right and bottom < bounds[3] and bounds[1] < top


def _tell_bounds(path: Path, layer: PolygonLayer, placement: Placement, bounds: Bounds | None) -> str:
    """Return both bounds in the raster's CRS."""
    crs = "unknown CRS" if placement.crs is None else placement.crs.name
    told = [", ".join(f"{side:.9g}" for side in found or ()) for found in (bounds, layer.bounds_in(placement.crs))]
    return (
        f"In {crs}, {path.name} spans {told[0]} and the polygons of {layer.path.name} span {told[1]} "
        "(left, bottom, right, top)."
    )


def tell_crs(layer: PolygonLayer, placement: Placement) -> Iterator[str]:
    """Yield a sentence about what is done about the CRS of polygons, if anything is."""
    if layer.crs is None or placement.crs is None:
        lacking = layer.path.name if layer.crs is None else "A raster"
        yield f"{lacking} has no CRS; its coordinates are taken to be those of the other side."
    elif not layer.crs.equals(placement.crs, ignore_axis_order=True):
        yield f"The polygons of {layer.path.name} were carried from {layer.crs.name} into {placement.crs.name}."
