"""Annotation layers as files of other programs, and such files as annotations."""

from server.vectors.exchange.layer import ImportedExamples, ImportedObjects, ImportedPlaces, Layer
from server.vectors.exchange.read import read_annotations, read_boxes, read_examples, read_points
from server.vectors.exchange.write import WRITERS, write_annotations

__all__ = [
    "WRITERS",
    "ImportedExamples",
    "ImportedObjects",
    "ImportedPlaces",
    "Layer",
    "read_annotations",
    "read_boxes",
    "read_examples",
    "read_points",
    "write_annotations",
]
