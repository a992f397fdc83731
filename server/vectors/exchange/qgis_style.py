"""The style table of a GeoPackage, by which QGIS shows each class in the colour it has on the page."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

from server.vectors.annotated import ObjectClass
from server.vectors.exchange.attributes import clean_text

STYLE_NAME = "classes"
GEOMETRY_COLUMN = "geom"
# Red, green, blue of objects without a class.
UNCLASSED = (255, 196, 0)
# Of 255: what lies below stays visible.
FILL_ALPHA = 90
LINE_WIDTH_MM = "0.46"
# As QGIS itself makes the table in a GeoPackage.
_CREATE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""
_REGISTER = "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', ?)"
_INSERT = """
INSERT INTO layer_styles (
    f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, styleSLD, useAsDefault,
    description, owner
) VALUES ('', '', ?, ?, ?, ?, '', 1, 'Classes and their colours', '')
"""


def add_style(geopackage: Path, layer: str, classes: Sequence[ObjectClass]) -> None:
    """Make the colours of the classes the default style of a layer.

    Args:
        geopackage: the file, without styles so far.
        layer: name of its layer, which has a column "class".
        classes: the class table.
    """
    with closing(sqlite3.connect(geopackage)) as connection, connection:
        connection.execute(_CREATE)
        connection.execute(_REGISTER, ("layer_styles",))
        connection.execute(_INSERT, (layer, GEOMETRY_COLUMN, STYLE_NAME, make_qml(classes)))


def make_qml(classes: Sequence[ObjectClass]) -> str:
    """Return a QGIS style that fills objects, half transparent, by their column "class"; the rest gets one colour."""
    root = ElementTree.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        root,
        "renderer-v2",
        {"type": "categorizedSymbol", "attr": "class", "symbollevels": "0", "enableorderby": "0", "forceraster": "0"},
    )
    categories = ElementTree.SubElement(renderer, "categories")
    symbols = ElementTree.SubElement(renderer, "symbols")
    shown = [(clean_text(row.name), read_colour(row.color)) for row in classes]
    # An empty value is QGIS's way to say "everything else".
    for index, (name, colour) in enumerate([*shown, ("", UNCLASSED)]):
        _add_symbol(symbols, str(index), colour)
        category = {"value": name, "label": name, "symbol": str(index), "type": "string", "render": "true"}
        ElementTree.SubElement(categories, "category", category)
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ElementTree.tostring(
        root, encoding="unicode"
    )


def read_colour(text: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0..255, of "#rrggbb"."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _add_symbol(symbols: ElementTree.Element, name: str, colour: tuple[int, int, int]) -> None:
    symbol = ElementTree.SubElement(
        symbols, "symbol", {"name": name, "type": "fill", "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"}
    )
    fill = ElementTree.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
    options = ElementTree.SubElement(fill, "Option", type="Map")
    rgb = ",".join(map(str, colour))
    values = {
        "color": f"{rgb},{FILL_ALPHA}",
        "style": "solid",
        "outline_color": f"{rgb},255",
        "outline_style": "solid",
        "outline_width": LINE_WIDTH_MM,
        "outline_width_unit": "MM",
        "joinstyle": "bevel",
    }
    for key, value in values.items():
        ElementTree.SubElement(options, "Option", name=key, type="QString", value=value)
