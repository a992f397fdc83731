"""GDAL's .aux.xml files: read without trust, freed of everything that points elsewhere, and extended."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from server.errors import BadParameter

MAX_PAM_BYTES = 32 * 2**20
_MAX_DEPTH = 32
# What says something about the raster itself. Anything else (subdatasets, arrays, proxies) is left out, because some
# of it makes GDAL open other files.
_DATASET_PARTS = frozenset({"SRS", "GeoTransform", "GCPList", "Metadata", "PAMRasterBand"})
_BAND_PARTS = frozenset(
    {
        *("Description", "NoDataValue", "UnitType", "Offset", "Scale", "ColorInterp", "CategoryNames", "ColorTable"),
        *("Minimum", "Maximum", "Histograms", "Metadata", "GDALRasterAttributeTable"),
    }
)
# Metadata domains: OVERVIEWS and GEOLOCATION name files, SUBDATASETS too; these do not.
_DOMAINS = frozenset({"", "RPC", "xml:ESRI", "IMAGE_STRUCTURE"})
# ArcGIS marks its kind of georeferencing with these prefixes, which GDAL compares as plain text.
ET.register_namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance")
ET.register_namespace("typens", "http://www.esri.com/schemas/ArcGIS/9.2")


class _CarefulBuilder(ET.TreeBuilder):
    """Builds elements; stops at a document type, where entities would be declared, and at absurd nesting."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, *_: object) -> None:
        raise BadParameter("The .aux.xml file declares a document type; expected plain XML without one.", "file")

    def start(self, tag: str, attributes: dict[str, str]) -> ET.Element:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BadParameter(f"The .aux.xml file nests more than {_MAX_DEPTH} elements; it is no PAM file.", "file")
        return super().start(tag, attributes)

    def end(self, tag: str) -> ET.Element:
        self._depth -= 1
        return super().end(tag)


def pam_path(source: Path) -> Path:
    """Return where GDAL looks for the .aux.xml file of a raster."""
    return source.with_name(f"{source.name}.aux.xml")


def parse_pam(path: Path) -> ET.Element:
    """Return the `PAMDataset` element of a file, without the parts that could make GDAL open other files.

    Raises:
        BadParameter: too large, not XML, a document type, or another kind of XML.
    """
    if path.stat().st_size > MAX_PAM_BYTES:
        raise BadParameter(f"The .aux.xml file is larger than {MAX_PAM_BYTES:,} bytes.", "file")
    parser = ET.XMLParser(target=_CarefulBuilder())  # noqa: S314 - entities are refused with their document type
    try:
        root: ET.Element = ET.fromstring(path.read_bytes(), parser)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        raise BadParameter(f"The .aux.xml file is not readable XML ({error}).", "file") from error
    if root.tag != "PAMDataset":
        raise BadParameter(f"The .aux.xml file has the root <{root.tag[:80]}>; expected <PAMDataset>.", "file")
    _keep(root, _DATASET_PARTS)
    for band in root.iterfind("PAMRasterBand"):
        _keep(band, _BAND_PARTS)
    return root


def read_pam(source: Path) -> ET.Element:
    """Return the `PAMDataset` element that a raster has, or an empty one."""
    path = pam_path(source)
    return parse_pam(path) if path.exists() else ET.Element("PAMDataset")


def write_pam(path: Path, root: ET.Element) -> None:
    """Write a `PAMDataset` element as UTF-8."""
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=False))


def has_srs(root: ET.Element) -> bool:
    """Tell whether the element names a CRS, in GDAL's way or in that of ArcGIS."""
    return root.find("SRS") is not None or root.find(".//SpatialReference") is not None


def set_srs(root: ET.Element, wkt: str) -> None:
    """Make `wkt` the CRS, in place; without a mapping of axes GDAL takes x first, as all images have it."""
    for old in root.findall("SRS"):
        root.remove(old)
    element = ET.Element("SRS")
    element.text = wkt
    root.insert(0, element)


def has_rpc(root: ET.Element) -> bool:
    """Tell whether the element holds rational polynomial coefficients."""
    return root.find("Metadata[@domain='RPC']") is not None


def set_rpc(root: ET.Element, tags: dict[str, str]) -> None:
    """Make `tags` (GDAL's RPC metadata items) the rational polynomial coefficients, in place."""
    for old in root.findall("Metadata[@domain='RPC']"):
        root.remove(old)
    domain = ET.SubElement(root, "Metadata", domain="RPC")
    for key, value in tags.items():
        ET.SubElement(domain, "MDI", key=key).text = value


def _keep(parent: ET.Element, tags: frozenset[str]) -> None:
    for child in list(parent):
        if child.tag not in tags or (child.tag == "Metadata" and child.get("domain", "") not in _DOMAINS):
            parent.remove(child)
