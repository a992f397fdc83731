"""Rasters placed in unusual ways go the whole way: upload, tiles, segmentation, classes, objects, every download."""

from __future__ import annotations

import io

import pytest
import rasterio
from rasterio.control import GroundControlPoint

from tests.routes.support import upload

CORNERS = ((0, 0), (0, 64), (48, 0), (48, 64))


@pytest.mark.parametrize("crs", [rasterio.CRS.from_epsg(4326), rasterio.CRS()])
def test_control_points_with_and_without_a_crs(client, make_raster, crs):
    points = [GroundControlPoint(row, col, 10 + col / 100, 50 - row / 100) for row, col in CORNERS]
    assert upload(client, make_raster(crs=crs, transform=None, gcps=points)).status_code == 200
    meta = client.get("/raster_meta").get_json()
    assert (meta["crs"] is None) == (not crs)
    assert client.get("/tiles/scene.tif/0/0/0.png").status_code in (200, 204)
    assert client.post("/segment", json={}).status_code == 200
    for kind in ("tif", "gpkg", "geojson", "shp", "coco"):
        assert client.get(f"/download?format={kind}").status_code == 200, kind
    with rasterio.open(io.BytesIO(client.get("/download").data)) as labels:
        points, crs_kept = labels.gcps
    assert [(point.row, point.col) for point in points] == list(CORNERS)
    assert crs_kept == (crs or None)

    assert client.post("/annotations/promote", json={}).status_code == 200
    for kind in ("gpkg", "geojson", "shp", "fgb", "coco", "labels", "classes", "stac"):
        answer = client.get(f"/annotations/download?format={kind}")
        assert answer.status_code == 200, answer.get_data(as_text=True)
