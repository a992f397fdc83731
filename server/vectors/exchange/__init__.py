"""Annotation layers as files of other programs, and such files as annotations."""

from server.vectors.exchange.layer import ImportedObjects, Layer
from server.vectors.exchange.read import read_annotations
from server.vectors.exchange.write import WRITERS, write_annotations

__all__ = ["WRITERS", "ImportedObjects", "Layer", "read_annotations", "write_annotations"]
