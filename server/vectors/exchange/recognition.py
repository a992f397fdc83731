"""Tells what a sent file is by its first bytes, because its name is only a claim."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from server.errors import BadParameter
from server.vectors.exchange.found import FIELD

FileKind = Literal["geopackage", "flatgeobuf", "zip", "json"]
EXPECTED = "expected GeoJSON, GeoPackage, a zipped Shapefile, FlatGeobuf or COCO JSON"
FLATGEOBUF = b"fgb\x03fgb"
_SHAPEFILE = b"\x00\x00\x27\x0a"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SIGNATURES: dict[bytes, FileKind] = {b"SQLite format 3\x00": "geopackage", FLATGEOBUF: "flatgeobuf", b"PK": "zip"}


def recognise(file: Path) -> FileKind:
    """Return what a file is.

    Raises:
        BadParameter: it is nothing that is read here.
    """
    with file.open("rb") as stream:
        start = stream.read(1024)
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    if start.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith((b"{", b"[")):
        return "json"
    if start.startswith(_SHAPEFILE):
        raise BadParameter(
            "The file is the .shp of a Shapefile alone; zip it together with its .shx, .dbf, .prj and .cpg.", FIELD
        )
    raise BadParameter(f"The file is none of the known vector formats; {EXPECTED}.", FIELD)
