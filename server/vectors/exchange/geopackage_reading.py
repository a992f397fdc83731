"""Reads a GeoPackage as the SQLite file it is, because a stranger's file may hold more than tables."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from server.errors import BadParameter, TooLarge
from server.vectors.exchange.found import FIELD, MAX_FEATURES, FoundFeatures, check_count, read_code, read_wkt

POLYGON_TYPES = frozenset(["POLYGON", "MULTIPOLYGON", "CURVEPOLYGON", "MULTISURFACE", "SURFACE"])
MIXED_TYPES = frozenset(["GEOMETRY", "GEOMETRYCOLLECTION", "GEOMCOLLECTION"])
POINT_TYPES = frozenset(["POINT", "MULTIPOINT"])
# An outline of a million corners.
MAX_VALUE_BYTES = 16 * 2**20
# A small file may answer with much: default values and computed columns cost it nothing.
MAX_READ_BYTES = 512 * 2**20
MAX_TIME_S = 60.0
MAX_LAYERS = 1_000
# SQLite asks this often, counted in its own steps, whether to go on.
STEPS_PER_CHECK = 100_000
# Sizes of the envelope by its code in the header, see the GeoPackage specification 2.1.3.
_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_HEADER_BYTES = 8
# Reading tables needs no function, no other pragma and no other file.
_ALLOWED = frozenset([sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ])
_STORED = 0  # what `PRAGMA table_xinfo` calls a column that is neither hidden nor computed
_TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
_LAYERS = "SELECT table_name, column_name, geometry_type_name, srs_id FROM gpkg_geometry_columns ORDER BY rowid"
_SRS = "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?"


@dataclass(frozen=True)
class _Layer:
    """One row of the table of geometry columns."""

    table: str
    column: str
    geometry_type: str
    srs_id: int


def read_geopackage(file: Path) -> FoundFeatures:
    """Read the first layer of polygons, else of points; views are never asked, whatever they would answer.

    Raises:
        BadParameter: the file is broken, no GeoPackage, or has no such layer.
        TooLarge: it answers with more than is read.
    """
    try:
        with _open(file) as connection:
            layers = _list_layers(connection)
            layer = _choose(layers)
            crs = _read_crs(connection, layer.srs_id)
            names = _list_columns(connection, layer)
            chosen = ", ".join(map(_quote, names))
            query = f"SELECT {chosen} FROM {_quote(layer.table)} LIMIT {MAX_FEATURES + 1}"  # noqa: S608 - quoted
            rows = list(_read(connection, query))
    except (sqlite3.Error, ValueError, TypeError, AttributeError) as error:
        raise BadParameter(
            f"The file cannot be read as a GeoPackage ({str(error)[:200]}); expected one with a layer of polygons. "
            "Export it again, for example with QGIS.",
            FIELD,
        ) from error
    check_count(len(rows))
    return _take(layer, layers, crs, names, rows)


def _take(
    layer: _Layer, layers: Sequence[_Layer], crs: CRS | None, names: list[str], rows: list[tuple[Any, ...]]
) -> FoundFeatures:
    at = _find_column(names, layer.column)
    others = [f'"{item.table}"' for item in layers if item is not layer]
    notes = [f'Only the layer "{layer.table}" was read, not {", ".join(others)}.'] if others else []
    attributes = [dict(zip(names[:at] + names[at + 1 :], row[:at] + row[at + 1 :], strict=True)) for row in rows]
    return FoundFeatures(_decode([row[at] for row in rows]).tolist(), attributes, crs, notes=notes)


@contextmanager
def _open(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading tables and nothing else."""
    with closing(sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro&immutable=1", uri=True)) as connection:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        end = time.monotonic() + MAX_TIME_S
        connection.set_progress_handler(lambda: time.monotonic() > end, STEPS_PER_CHECK)
        connection.set_authorizer(_authorise)
        yield connection


def _authorise(action: int, name: str | None, *_: str | None) -> int:
    """Tell SQLite what a statement may do: select, read, and list the columns of a table."""
    return sqlite3.SQLITE_OK if action in _ALLOWED or name == "table_xinfo" else sqlite3.SQLITE_DENY


def _read(connection: sqlite3.Connection, query: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query, up to a number of bytes for all of them.

    Raises:
        TooLarge: there are more.
    """
    left_bytes = MAX_READ_BYTES
    for row in connection.execute(query, parameters):
        left_bytes -= sum(len(value) for value in row if isinstance(value, bytes | str))
        if left_bytes < 0:
            raise TooLarge(
                f"The GeoPackage holds more than {MAX_READ_BYTES:,} bytes; cut it to the area of the raster.", FIELD
            )
        yield row


def _list_columns(connection: sqlite3.Connection, layer: _Layer) -> list[str]:
    """Return the columns that are stored: computed ones could hold anything, and no format needs them."""
    rows = _read(connection, f"PRAGMA table_xinfo({_quote(layer.table)})")
    return [row[1] for row in rows if row[6] == _STORED]


def _list_layers(connection: sqlite3.Connection) -> list[_Layer]:
    """Return the layers that are tables, not views and not what a module of SQLite computes."""
    tables = {name.lower() for name, sql in _read(connection, _TABLES) if not sql.upper().startswith("CREATE VIRTUAL")}
    rows = itertools.islice(_read(connection, _LAYERS), MAX_LAYERS)
    layers = [_Layer(str(table), str(column), str(kind), int(srs_id)) for table, column, kind, srs_id in rows]
    return [layer for layer in layers if layer.table.lower() in tables]


def _choose(layers: Sequence[_Layer]) -> _Layer:
    """Return the first layer that says it has polygons, else the first that may have some, else one of points."""
    for kinds in (POLYGON_TYPES, MIXED_TYPES, POINT_TYPES):
        for layer in layers:
            if layer.geometry_type.upper() in kinds:
                return layer
    found = ", ".join(f'"{layer.table}" ({layer.geometry_type})' for layer in layers[:10]) or "no table with geometry"
    raise BadParameter(f"The GeoPackage holds {found}; expected a layer of polygons or points, not a view.", FIELD)


def _read_crs(connection: sqlite3.Connection, srs_id: int) -> CRS | None:
    row = next(_read(connection, _SRS, srs_id), None)
    if row is None:
        return None
    organization, code, definition = row
    if str(organization).upper() == "EPSG":
        return read_code("EPSG", str(code))
    return read_wkt(str(definition))


def _find_column(names: Sequence[str], wanted: str) -> int:
    """Return the place of a column; SQL does not tell capitals apart."""
    lower = [name.lower() for name in names]
    if wanted.lower() not in lower:
        raise BadParameter(f'The GeoPackage announces a geometry column "{wanted}" that is not there.', FIELD)
    return lower.index(wanted.lower())


def _decode(blobs: Sequence[Any]) -> NDArray[np.object_]:
    """Return the geometries (N,) of GeoPackage blobs, None where there is none or it is broken."""
    encoded = np.array([_strip_header(blob) for blob in blobs], dtype=object)
    decoded: NDArray[np.object_] = shapely.from_wkb(encoded, on_invalid="ignore")
    return decoded


def _strip_header(blob: Any) -> bytes | None:
    """Return the WKB behind a GeoPackage header, None where there is none."""
    if not isinstance(blob, bytes) or len(blob) <= _HEADER_BYTES or blob[:2] != b"GP":
        return None
    envelope = _ENVELOPE_BYTES.get(blob[3] >> 1 & 0b111)
    return None if envelope is None else blob[_HEADER_BYTES + envelope :]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
