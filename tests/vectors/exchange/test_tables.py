"""GeoPackage, Shapefile and FlatGeobuf as other programs see them."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Geod, Transformer

from server.vectors.annotated import ObjectClass
from server.vectors.exchange import Layer, write_annotations
from server.vectors.exchange.attributes import ATTRIBUTES
from server.vectors.exchange.qgis_style import make_qml
from tests.vectors.exchange.layers import CHANGED, CLASSES, CREATED, SUFFIXES

MakeLayer = Callable[..., Layer]
TABLES = ("gpkg", "fgb", "shp")
SHORT = {"predicted_iou": "pred_iou", "stability_score": "stability", "perimeter_m": "perim_m"}


def export(layer: Layer, kind: str, folder: Path) -> str:
    """Write a file and return the name under which GDAL reads it."""
    target = folder / f"out{SUFFIXES[kind]}"
    write_annotations(target, kind, layer)
    return f"/vsizip/{target}/objects.shp" if kind == "shp" else str(target)


def read_rows(name: str) -> dict[int, dict[str, Any]]:
    """Return the attributes and the geometry of each feature by id."""
    meta, _, geometries, columns = pyogrio.raw.read(name, layer="objects")
    rows = [dict(zip(meta["fields"], values, strict=True)) for values in zip(*columns, strict=True)]
    return {int(row["id"]): {**row, "geometry": shapely.from_wkb(geometries[at])} for at, row in enumerate(rows)}


@pytest.mark.parametrize("kind", TABLES)
def test_attributes_are_what_was_accepted(make_layer: MakeLayer, kind: str, tmp_path: Path) -> None:
    name = export(make_layer(), kind, tmp_path)
    info = pyogrio.read_info(name, layer="objects")
    columns = [SHORT.get(item, item) if kind == "shp" else item for item in ATTRIBUTES]
    assert info["fields"].tolist() == columns
    assert (info["crs"], info["features"]) == ("EPSG:32650", 3)
    rows = read_rows(name)
    assert sorted(rows) == [1, 4, 7]
    ring, parts, field = rows[1], rows[4], rows[7]
    assert (ring["class"], ring["source"], ring["checkpoint"]) == ("roof", "prompt", "embedded")
    assert (ring[columns[4]], ring[columns[5]]) == (0.9, 0.75)
    assert (ring["area_px"], json.loads(ring["point"]), json.loads(ring["bbox"])) == (91, [2.25, 4.5], [1, 1, 10, 10])
    assert (ring["created"], ring["changed"]) == (CREATED, CHANGED)
    assert ring["geometry"].bounds == (500_000.5, 4_399_994.5, 500_005.5, 4_399_999.5)
    assert (parts["class"], parts["checkpoint"], parts["point"], parts["source"]) == (None, None, None, "drawn")
    assert np.isnan(parts[columns[4]])
    assert len(parts["geometry"].geoms) == 2
    assert (field["class"], json.loads(field["bbox"])) == (CLASSES[1].name, [30.25, 2.5, 28.25, 17.25])


@pytest.mark.parametrize("space", ["north up", "rotated", "geographic"])
def test_measures_are_geodesic(make_layer: MakeLayer, space: str, tmp_path: Path) -> None:
    name = export(make_layer(space), "gpkg", tmp_path)
    there = Transformer.from_crs(pyogrio.read_info(name, layer="objects")["crs"], "EPSG:4326", always_xy=True)
    for row in read_rows(name).values():
        assert row["geometry"].is_valid
        on_earth = shapely.transform(row["geometry"], there.transform, interleaved=False)
        area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(on_earth))
        length = sum(Geod(ellps="WGS84").geometry_length(ring) for ring in rings_of(on_earth))
        assert row["area_m2"] == pytest.approx(area, rel=1e-3)
        assert row["perimeter_m"] == pytest.approx(length, rel=1e-3)


def rings_of(outline: shapely.MultiPolygon) -> list[shapely.LinearRing]:
    return [ring for part in outline.geoms for ring in (part.exterior, *part.interiors)]


@pytest.mark.parametrize("kind", TABLES)
def test_without_a_place_there_are_no_metres_and_no_crs(make_layer: MakeLayer, kind: str, tmp_path: Path) -> None:
    name = export(make_layer("nothing"), kind, tmp_path)
    row = read_rows(name)[1]
    assert np.isnan(row["area_m2"])
    assert row["geometry"].bounds == (1, 1, 11, 11)
    crs = pyogrio.read_info(name, layer="objects")["crs"]
    assert crs is None or "Undefined" in crs
    if kind == "shp":
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            assert "objects.prj" not in archive.namelist()


def test_the_shapefile_is_complete(make_layer: MakeLayer, tmp_path: Path) -> None:
    export(make_layer(), "shp", tmp_path)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == [f"objects.{end}" for end in ("cpg", "dbf", "prj", "shp", "shx")]
        assert archive.read("objects.cpg") == b"UTF-8"
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]
    assert all(len(SHORT.get(name, name)) <= 10 for name in ATTRIBUTES)


@pytest.mark.parametrize("kind", [*TABLES, "geojson", "coco"])
def test_a_layer_without_objects_is_a_valid_file(make_layer: MakeLayer, kind: str, tmp_path: Path) -> None:
    name = export(make_layer(objects=[]), kind, tmp_path)
    if kind in TABLES:
        info = pyogrio.read_info(name, layer="objects", force_feature_count=True)
        assert (info["features"], info["crs"]) == (0, "EPSG:32650")
    else:
        assert json.loads(Path(name).read_text())["features" if kind == "geojson" else "annotations"] == []


def test_an_older_file_is_replaced(make_layer: MakeLayer, tmp_path: Path) -> None:
    for kind in TABLES:
        export(make_layer(), kind, tmp_path)
        name = export(make_layer(objects=make_layer().objects[:1]), kind, tmp_path)
        assert sorted(read_rows(name)) == [1]


def test_qgis_finds_the_colours_of_the_classes(make_layer: MakeLayer, tmp_path: Path) -> None:
    name = export(make_layer(), "gpkg", tmp_path)
    with closing(sqlite3.connect(name)) as connection:
        rows = connection.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        ).fetchall()
        contents = connection.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall()
        column = connection.execute("SELECT column_name FROM gpkg_geometry_columns").fetchone()
        systems = {row[0] for row in connection.execute("SELECT srs_id FROM gpkg_spatial_ref_sys")}
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ((table, geometry, is_default, qml),) = rows
    assert (table, geometry, is_default) == ("objects", *column, 1)
    assert contents == [("objects", "features"), ("layer_styles", "attributes")]
    assert systems == {-1, 0, 4326, 32650}
    assert read_colours(qml) == {"roof": "255,0,0,90", CLASSES[1].name: "0,255,128,90", "": "255,196,0,90"}
    assert ["layer_styles", None] in pyogrio.list_layers(name).tolist()


def read_colours(qml: str) -> dict[str, str]:
    """Return the colour of the fill by the value of each category, as QGIS puts them together."""
    renderer = ElementTree.fromstring(qml).find("renderer-v2")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "class")
    symbols = {item.get("name"): item for item in renderer.findall("symbols/symbol")}
    colours = {}
    for category in renderer.findall("categories/category"):
        symbol = symbols[category.get("symbol")]
        assert symbol.get("type") == "fill"
        option = symbol.find("layer[@class='SimpleFill']/Option[@type='Map']/Option[@name='color']")
        assert option is not None
        colours[str(category.get("value"))] = str(option.get("value"))
    return colours


def test_names_that_xml_cannot_hold_do_not_break_the_style() -> None:
    assert "a b" in read_colours(make_qml([ObjectClass(1, "a\x00\x1fb", "#010203")]))
