"""Annotation layers as files of other programs, and such files as annotations."""

from server.vectors.exchange.layer import ImportedObjects, ImportedPlaces, Layer
from server.vectors.exchange.read import read_annotations, read_boxes, read_points
from server.vectors.exchange.write import WRITERS, write_annotations

__all__ = [
    "WRITERS",
    "ImportedObjects",
    "ImportedPlaces",
    "Layer",
    "read_annotations",
    "read_boxes",
    "read_points",
    "write_annotations",
]
