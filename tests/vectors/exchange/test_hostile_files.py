"""Files made to do harm: refused with a sentence, without opening anything else or taking much memory or time."""

from __future__ import annotations

import json
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.errors import BadParameter, TooLarge, UserError
from server.vectors.exchange import Layer, archives, found, geopackage_reading, json_reading, read_annotations
from server.vectors.exchange import write_annotations as write
from server.vectors.exchange.gdal_reading import _read_crs
from tests.vectors.exchange.layers import SUFFIXES

Rasters = Mapping[str, Path]
MakeLayer = Callable[..., Layer]


@pytest.fixture
def raster(rasters: Rasters) -> Path:
    return rasters["north up"]


def send(folder: Path, content: bytes | str) -> Path:
    target = folder / "sent"
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    return target


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "none of the known vector formats"),
        (b"\x89PNG\r\n", "none of the known vector formats"),
        ("<OGRVRTDataSource><OGRVRTLayer name='a'/></OGRVRTDataSource>", "none of the known vector formats"),
        ("/vsicurl/http://example.com/a.geojson", "none of the known vector formats"),
        (b"\x00\x00\x27\x0a" + bytes(96), r"zip it together with its \.shx"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ('{"type": "FeatureCollection"', "no JSON"),
        (b'{"type": "\xff"}', "no JSON in UTF-8"),
        ('{"type": "Topology", "objects": {}}', "neither GeoJSON"),
        ('{"type": "FeatureCollection", "features": {}}', "neither GeoJSON"),
        ("[1, 2]", "neither GeoJSON"),
        ('{"type": "Polygon", "coordinates": 1e999}', "no outline"),
        ('{"type": "Polygon", "coordinates": [[[1e999, 0], [1, 0], [1, 1], [1e999, 0]]]}', "no outline"),
        ('{"type": "Polygon", "coordinates": [[[' + "9" * 400 + ", 0], [1, 0], [1, 1]]]}", "no outline"),
        ('{"type": "Polygon", "coordinates": [[[NaN, 0], [1, 0], [1, 1], [NaN, 0]]]}', "no outline"),
        (b"fgb\x03fgb\x00", "broken FlatGeobuf"),
        (b"fgb\x03fgb\x01<OGRVRTDataSource>" + bytes(100), "broken FlatGeobuf"),
        (b"fgb\x03fgb\x00\x08\x00\x00\x00" + bytes(100), "cannot be read as a FlatGeobuf"),
        (b"SQLite format 3\x00" + bytes(200), "cannot be read as a GeoPackage"),
        (b"PK\x03\x04" + bytes(100), "cannot be unpacked"),
    ],
)
def test_broken_files_get_a_sentence(raster: Path, content: bytes | str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=words) as error:
        read_annotations(send(tmp_path, content), raster)
    assert error.value.field == "file"
    assert str(tmp_path) not in error.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["sent"]


def test_nested_geometry_collections_are_refused(raster: Path, tmp_path: Path) -> None:
    depth = 400
    inner = '{"type": "GeometryCollection", "geometries": [' * depth + "]}" * depth
    with pytest.raises(BadParameter):
        read_annotations(send(tmp_path, inner), raster)


def test_large_json_is_not_even_parsed(raster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reading, "MAX_JSON_BYTES", 100)
    with pytest.raises(TooLarge, match="at most 100 are read"):
        read_annotations(send(tmp_path, "[" + "1," * 100), raster)


def test_more_features_than_a_layer_takes_are_refused(
    make_layer: MakeLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make_layer()
    monkeypatch.setattr(found, "MAX_FEATURES", 2)
    for kind, suffix in SUFFIXES.items():
        target = tmp_path / f"sent{suffix}"
        write(target, kind, layer)
        with pytest.raises(BadParameter, match="more than 2 features"):
            read_annotations(target, layer.raster)


def pack(folder: Path, entries: Mapping[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    target = folder / "sent"
    with zipfile.ZipFile(target, "w", method) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return target


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


SHAPE = b"\x00\x00\x27\x0a" + bytes(96)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"readme.txt": b"x"}, "holds no Shapefile"),
        ({"a.shp": SHAPE}, r"lacks its \.shx"),
        ({"a.shp": SHAPE, "b.shx": SHAPE}, r"lacks its \.shx"),
        ({"../a.shp": SHAPE, "../a.shx": SHAPE}, "points outside"),
        ({"/etc/a.shp": SHAPE, "/etc/a.shx": SHAPE}, "points outside"),
        ({"x/..\\..\\a.shp": SHAPE, "a.shx": SHAPE}, "points outside"),
        ({"C:a.shp": SHAPE, "a.shx": SHAPE}, "points outside"),
        ({link("a.shp"): b"/etc/passwd", "a.shx": SHAPE}, "holds a link"),
        ({"a.shp": b"<OGRVRTDataSource>", "a.shx": SHAPE}, "is no Shapefile"),
        ({"a.shp": SHAPE, "a.shx": SHAPE}, "cannot be read as a Shapefile|no outline"),
        ({f"{number}": b"" for number in range(archives.MAX_ENTRIES + 1)}, "1,001 entries"),
    ],
)
def test_tricks_with_archives(raster: Path, entries: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=words):
        read_annotations(pack(tmp_path, entries), raster)
    assert [path.name for path in tmp_path.iterdir()] == ["sent"]


def test_an_archive_that_unpacks_to_much_is_stopped(
    raster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 3_000_000)
    sent = pack(tmp_path, {"a.shp": SHAPE + bytes(2_000_000), "a.shx": bytes(2_000_000)})
    assert sent.stat().st_size < 10_000
    with pytest.raises(TooLarge, match="unpacks to more than 3,000,000 bytes"):
        read_annotations(sent, raster)
    with pytest.raises(BadParameter, match="in an unusual way"):
        read_annotations(pack(tmp_path, {"a.shp": SHAPE, "a.shx": SHAPE}, zipfile.ZIP_LZMA), raster)


def test_an_archive_that_lies_about_its_content_is_refused(raster: Path, tmp_path: Path) -> None:
    sent = pack(tmp_path, {"a.shp": SHAPE + b"\1" * 5_000, "a.shx": SHAPE})
    content = bytearray(sent.read_bytes())
    content[60:80] = bytes(20)
    sent.write_bytes(content)
    with pytest.raises(BadParameter, match="cannot be unpacked"):
        read_annotations(sent, raster)


def alter(folder: Path, layer: Layer, *statements: str) -> Path:
    """Return a GeoPackage of a layer after some SQL."""
    target = folder / "sent.gpkg"
    write(target, "gpkg", layer)
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.create_function("ST_IsEmpty", 1, lambda _: 0)
        for statement in statements:
            connection.execute(statement)
    return target


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS fid, i AS geom FROM n"


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE objects RENAME TO hidden", "CREATE VIEW objects AS SELECT * FROM hidden"),
        ("ALTER TABLE objects RENAME TO hidden", f"CREATE VIEW objects AS {ENDLESS}"),
        ("ALTER TABLE objects RENAME TO hidden", "CREATE VIRTUAL TABLE objects USING rtree(fid, a, b)"),
        ("DELETE FROM gpkg_geometry_columns",),
        ("UPDATE gpkg_geometry_columns SET table_name = 'sqlite_master'",),
        ("UPDATE gpkg_geometry_columns SET table_name = 'x\" UNION SELECT 1 --'",),
    ],
)
def test_only_tables_of_a_geopackage_are_read(make_layer: MakeLayer, statements: Any, tmp_path: Path) -> None:
    layer = make_layer()
    prepared = alter(tmp_path, layer, "PRAGMA legacy_alter_table = ON", "PRAGMA foreign_keys = OFF", *statements)
    # Renaming moves the announcement too; an attacker would put it back.
    if statements[0].startswith("ALTER"):
        with closing(sqlite3.connect(prepared)) as connection, connection:
            connection.execute("UPDATE gpkg_geometry_columns SET table_name = 'objects'")
    with pytest.raises(BadParameter, match="GeoPackage"):
        read_annotations(prepared, layer.raster)


def test_triggers_and_functions_of_a_geopackage_do_not_run(make_layer: MakeLayer, tmp_path: Path) -> None:
    layer = make_layer()
    sent = alter(
        tmp_path,
        layer,
        "CREATE TRIGGER harm AFTER UPDATE ON objects BEGIN DELETE FROM objects; END",
        "CREATE TABLE other (a TEXT)",
    )
    before = sent.read_bytes()
    assert len(read_annotations(sent, layer.raster).objects) == 3
    assert sent.read_bytes() == before


def test_small_geopackages_cannot_answer_with_much(
    make_layer: MakeLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make_layer()
    monkeypatch.setattr(geopackage_reading, "MAX_READ_BYTES", 100_000)
    computed = alter(tmp_path, layer, "ALTER TABLE objects ADD COLUMN big BLOB AS (zeroblob(90000000)) VIRTUAL")
    assert len(read_annotations(computed, layer.raster).objects) == 3
    repeated = alter(tmp_path, layer, f"ALTER TABLE objects ADD COLUMN big TEXT DEFAULT '{'x' * 90_000}'")
    with pytest.raises(TooLarge, match="more than 100,000 bytes"):
        read_annotations(repeated, layer.raster)
    announced = alter(
        tmp_path,
        layer,
        "ALTER TABLE gpkg_geometry_columns RENAME TO hidden",
        "CREATE VIEW gpkg_geometry_columns AS SELECT zeroblob(90000) AS table_name, 'g' AS column_name, 'x' AS "
        "geometry_type_name, 1 AS srs_id, fid AS rowid FROM objects",
    )
    with pytest.raises(UserError, match=r"more than 100,000 bytes|not authorized"):
        read_annotations(announced, layer.raster)


def test_a_geopackage_that_takes_too_long_is_stopped(
    make_layer: MakeLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make_layer()
    sent = alter(
        tmp_path,
        layer,
        "ALTER TABLE gpkg_geometry_columns RENAME TO hidden",
        "CREATE TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300) SELECT i FROM n",
        "CREATE VIEW gpkg_geometry_columns AS SELECT 'a' AS table_name, 'g' AS column_name, 'x' AS geometry_type_name, "
        "1 AS srs_id, a.i AS rowid FROM n a, n b, n c, n d, n e ORDER BY a.i",
    )
    monkeypatch.setattr(geopackage_reading, "MAX_TIME_S", 0.2)
    with pytest.raises(BadParameter, match="interrupted"):
        read_annotations(sent, layer.raster)


@pytest.mark.parametrize(
    "text",
    ["http://example.com/crs", "/vsicurl/http://example.com", "+proj=longlat +nadgrids=/etc/passwd", "x" * 100_000],
)
def test_a_crs_that_is_a_name_of_something_else_is_not_looked_up(text: str) -> None:
    assert _read_crs(text) is None


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [40, 60], "counts": [-1, 5]},
        {"size": [40, 60], "counts": [2400, 1]},
        {"size": [40, 60], "counts": [0, 10**30]},
        {"size": [40, 60], "counts": [[0], [1]]},
        {"size": [40, 60], "counts": [0.5, 1]},
        {"size": [40, 60], "counts": "~~~~"},
        {"size": [40, 60], "counts": "o" * 1_000_000},
        {"size": [40, 60], "counts": []},
        {"size": [40, 60], "counts": [2400]},
        {"size": [40, 60]},
        {"size": [10**9, 10**9], "counts": [0, 10**18]},
        [[0, 0, 1]],
        [[0, 0, 1, 0, 1, 1e999]],
        [[0, 0, "a", 0, 1, 1]],
        [[[0, 0], [1, 0], [1, 1]]],
        ["abc"],
        "abc",
        7,
    ],
)
def test_run_lengths_that_do_not_fit_are_left_out(raster: Path, segmentation: Any, tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "width": 60, "height": 40}],
        "annotations": [{"id": 1, "image_id": 1, "segmentation": segmentation}],
        "categories": [{"id": []}, 5],
    }
    with pytest.raises(UserError, match="no outline"):
        read_annotations(send(tmp_path, json.dumps(content)), raster)
