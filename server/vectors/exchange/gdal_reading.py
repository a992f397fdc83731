"""Reads FlatGeobuf and unpacked Shapefiles through GDAL, which gets to see files of exactly these two kinds."""

from __future__ import annotations

import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError
from pyogrio.raw import read
from pyproj import CRS

from server.errors import BadParameter
from server.vectors.exchange.archives import unpack_shapefile
from server.vectors.exchange.found import FIELD, MAX_FEATURES, FoundFeatures, check_count, read_code, read_wkt
from server.vectors.exchange.recognition import FLATGEOBUF

# pyogrio raises the last two for a file without layers and for a CRS that has no WKT.
_READ_ERRORS = (
    DataSourceError, DataLayerError, FieldError, GeometryError, ValueError, IndexError, UnboundLocalError
)  # fmt: skip
_CODE = re.compile(r"([A-Za-z]+):(\w+)")
_SHAPEFILE_START = b"\x00\x00\x27\x0a"
# With a header below this the twelfth byte of the file is zero, so that no driver for texts, which GDAL asks first,
# can find words of its own in the file.
MAX_HEADER_BYTES = 2**24 - 1
_MAGIC_BYTES = 8


def read_flatgeobuf(file: Path) -> FoundFeatures:
    """Read a FlatGeobuf.

    Raises:
        BadParameter: it is broken.
    """
    with file.open("rb") as stream:
        start = stream.read(_MAGIC_BYTES + 4)
    size = struct.unpack("<I", start[_MAGIC_BYTES:])[0] if len(start) == _MAGIC_BYTES + 4 else 0
    if not start.startswith(FLATGEOBUF) or not 0 < size <= MAX_HEADER_BYTES:
        raise BadParameter(
            "The file is a broken FlatGeobuf: its header is cut off or too long. Export it again.", FIELD
        )
    # GDAL also goes by the ending, which the file may lack.
    with tempfile.TemporaryDirectory(prefix="import-", dir=file.parent) as scratch:
        named = Path(scratch) / "import.fgb"
        named.symlink_to(file.resolve())
        return _read(named, "FlatGeobuf")


def read_shapefile(archive: Path) -> FoundFeatures:
    """Read the Shapefile in a zip archive.

    Raises:
        BadParameter: the archive or the Shapefile is broken.
        TooLarge: the archive unpacks to too much.
    """
    with tempfile.TemporaryDirectory(prefix="import-", dir=archive.parent) as scratch:
        shapefile, notes = unpack_shapefile(archive, Path(scratch))
        with shapefile.open("rb") as stream:
            if stream.read(len(_SHAPEFILE_START)) != _SHAPEFILE_START:
                raise BadParameter("The .shp in the zip archive is no Shapefile; export it again.", FIELD)
        found = _read(shapefile, "Shapefile")
    return FoundFeatures(found.geometries, found.rows, found.crs, notes=notes)


def _read(path: Path, kind: str) -> FoundFeatures:
    try:
        meta, _, encoded, columns = read(path, force_2d=True, max_features=MAX_FEATURES + 1, datetime_as_string=True)
    except _READ_ERRORS as error:
        raise BadParameter(
            f"The file cannot be read as a {kind}; export it again, for example with QGIS.", FIELD
        ) from error
    if encoded is None:
        raise BadParameter(f"The {kind} holds a table without outlines; expected polygons.", FIELD)
    check_count(len(encoded))
    names = meta["fields"].tolist()
    values = [np.asarray(column).astype(object) for column in columns]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)] or [{} for _ in encoded]
    geometries = shapely.from_wkb(encoded, on_invalid="ignore").tolist()
    return FoundFeatures(geometries, rows, _read_crs(meta["crs"]))


def _read_crs(text: str | None) -> CRS | None:
    """Return the CRS that GDAL tells as a code or WKT; any other text in its place is not looked up."""
    if text is None:
        return None
    code = _CODE.fullmatch(text)
    return read_code(*code.groups()) if code else read_wkt(text)
