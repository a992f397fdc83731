"""Everything a visitor may want to know about a raster, as strict JSON."""

from __future__ import annotations

import math
from pathlib import Path

from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader

from server.rasters.coordinates import read_bounds, read_bounds_wgs84, read_georeference
from server.rasters.opening import open_raster
from server.rasters.reduced import prepare_reduced
from server.rasters.remembered import remembered
from server.rasters.side_files import list_side_files
from server.rasters.statistics import BandStatistics, read_statistics

Json = dict[str, object]


def read_metadata(path: Path, name: str) -> Json:
    """Describe a raster, and get a stored one ready to be drawn at any scale.

    Args:
        path: the raster.
        name: what its owner calls it.

    Returns:
        JSON without NaN and infinities. `transform` is a, b, c, d, e, f as in rasterio: x = a col + b row + c,
        y = d col + e row + f. `bounds` are left, bottom, right, top, `bounds_wgs84` west, south, east, north (west >
        east across the antimeridian), `block_size` width, height, `unit` that of the CRS; what is unknown is null.
        `georeferenced` means that pixels have longitude and latitude; `approximate` that statistics come from a part
        of the pixels.

    Raises:
        NotARaster: the raster cannot be read.
        StorageFull: there is no room for what is kept beside a stored raster.
    """
    pixels_and_place, statistics = _read_facts(path)
    return {
        "raster": name,
        **pixels_and_place,
        "size_bytes": path.stat().st_size,
        # Under the name the client knows the raster by, not the stored one.
        "side_files": [Path(name).stem + item.removeprefix(path.stem) for item in list_side_files(path)],
        **statistics,
    }


@remembered
def _read_facts(path: Path) -> tuple[Json, Json]:
    """Return what a raster says about pixels and place, and what its bands hold."""
    statistics = read_statistics(path)
    prepare_reduced(path)
    with open_raster(path) as raster:
        pixels_and_place = _describe_pixels(raster) | _describe_place(raster)
        bands = [_describe_band(raster, index, statistics.bands[index - 1]) for index in raster.indexes]
    return pixels_and_place, {"approximate": statistics.approximate, "bands": bands}


def _describe_pixels(raster: DatasetReader) -> Json:
    block_height, block_width = raster.block_shapes[0]
    return {
        "width": raster.width,
        "height": raster.height,
        "band_count": raster.count,
        "dtype": raster.dtypes[0],
        "driver": raster.driver,
        "nodata": to_json_number(raster.nodata),
        "overviews": raster.overviews(1),
        "block_size": [block_width, block_height],
        "compression": raster.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION"),
    }


def _describe_place(raster: DatasetReader) -> Json:
    place, bounds, on_earth = read_georeference(raster), read_bounds(raster), read_bounds_wgs84(raster)
    transform = None if raster.transform.is_identity else raster.transform
    gcps, gcp_crs = raster.gcps
    crs = (place.crs if place else None) or raster.crs or gcp_crs
    return {
        "crs": _describe_crs(crs) if crs else None,
        "transform": [float(number) for number in transform[:6]] if transform else None,
        "bounds": list(bounds) if bounds else None,
        "bounds_wgs84": list(on_earth) if on_earth else None,
        "x_resolution": math.hypot(transform.a, transform.d) if transform else None,
        "y_resolution": math.hypot(transform.b, transform.e) if transform else None,
        "unit": _find_unit(crs) if crs else None,
        "georeferenced": on_earth is not None,
        "rotated": bool(transform and (transform.b or transform.d)),
        "gcps": len(gcps),
        "rpcs": raster.rpcs is not None,
    }


def _describe_crs(crs: CRS) -> Json:
    wkt = crs.to_wkt()
    return {"epsg": _find_epsg(crs), "wkt": wkt, "name": _find_name(wkt)}


def _find_epsg(crs: CRS) -> int | None:
    try:
        epsg: int | None = crs.to_epsg()
    except CRSError:  # engineering and local systems
        return None
    return epsg


def _find_name(wkt: str) -> str | None:
    """Return the first quoted text of a WKT, which is the name of the whole."""
    return wkt.split('"')[1] if wkt.count('"') >= 2 else None


def _find_unit(crs: CRS) -> str | None:
    try:
        return "degree" if crs.is_geographic else crs.linear_units or None
    except CRSError:
        return None


def _describe_band(raster: DatasetReader, index: int, statistics: BandStatistics) -> Json:
    at = index - 1
    return {
        "index": index,
        "description": raster.descriptions[at],
        "dtype": raster.dtypes[at],
        "color": raster.colorinterp[at].name,
        "nodata": to_json_number(raster.nodatavals[at]),
        "min": statistics.min,
        "max": statistics.max,
        "mean": statistics.mean,
        "std": statistics.std,
        "p2": statistics.p2,
        "p98": statistics.p98,
        "scale": to_json_number(raster.scales[at]),
        "offset": to_json_number(raster.offsets[at]),
        "unit": raster.units[at],
    }


def to_json_number(number: float | None) -> float | str | None:
    """Return a number JSON can hold; "nan", "inf" and "-inf" stand for those it cannot."""
    return number if number is None or math.isfinite(number) else str(float(number))
