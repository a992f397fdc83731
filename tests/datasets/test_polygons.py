"""Polygons over georeferenced rasters: drawn where they lie, reprojected where the CRS differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely
from pyproj import Transformer

from server.datasets.errors import BadDataset
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.reading import read_dataset

# The upper left corner and pixel size of the rasters that `make_raster` writes.
LEFT, TOP, PIXEL_M = 500_000, 4_400_000, 0.5


def on_ground(col: float, row: float, width: float, height: float) -> shapely.Polygon:
    x, y = LEFT + col * PIXEL_M, TOP - row * PIXEL_M
    return shapely.box(x, y - height * PIXEL_M, x + width * PIXEL_M, y)


@pytest.fixture
def save_polygons(tmp_path: Path) -> Callable[..., Path]:
    def save(*polygons: shapely.Geometry, crs: str = "EPSG:32650", name: str = "p.gpkg", **columns: list) -> Path:
        wkb = np.array([shapely.to_wkb(item) for item in polygons], dtype=object)
        path = tmp_path / name
        data = [np.array(column, dtype=object) for column in columns.values()]
        pyogrio.raw.write(path, wkb, data, list(columns), crs=crs, geometry_type=polygons[0].geom_type)
        return path

    return save


def test_polygons_are_drawn_where_they_lie(make_raster, save_polygons):
    image = make_raster()
    path = save_polygons(on_ground(10, 5, 20, 8), on_ground(40, 30, 30, 30))
    dataset = read_dataset(image, path)
    scene = dataset[0]
    expected = np.zeros((48, 64), bool)
    expected[5:13, 10:30], expected[30:, 40:] = True, True
    assert ((scene.objects > 0) == expected).all()
    assert scene.objects[6, 11] != scene.objects[40, 50]
    assert dataset.class_names == ("object",)
    assert dataset.messages == ()


@pytest.mark.parametrize("name", ["p.shp", "p.fgb"])
def test_other_vector_formats_are_read_alike(make_raster, save_polygons, name: str):
    path = save_polygons(on_ground(10, 5, 20, 8), name=name, kind=["shed"])
    dataset = read_dataset(make_raster(), path, ReadingOptions(class_attribute="kind"))
    expected = np.zeros((48, 64), bool)
    expected[5:13, 10:30] = True
    assert ((dataset[0].objects > 0) == expected).all()
    assert dataset.class_names == ("shed",)


def test_a_polygon_on_top_of_another_stays_visible(make_raster, save_polygons):
    path = save_polygons(on_ground(12, 6, 4, 4), on_ground(10, 5, 20, 8))
    scene = read_dataset(make_raster(), path)[0]
    assert (scene.objects == scene.objects[7, 13]).sum() == 16


def test_another_crs_is_carried_over_and_said(make_raster, save_polygons):
    to_degrees = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    square = shapely.transform(on_ground(10, 5, 20, 8), lambda p: np.stack(to_degrees.transform(*p.T), axis=1))
    path = save_polygons(square, crs="EPSG:4326", name="p.geojson")
    dataset = read_dataset(make_raster(), path)
    assert len(dataset.messages) == 1
    assert "carried from WGS 84 into WGS 84 / UTM zone 50N" in dataset.messages[0]
    expected = np.zeros((48, 64), bool)
    expected[5:13, 10:30] = True
    assert ((dataset[0].objects > 0) != expected).sum() <= 4


def test_an_attribute_names_the_classes(make_raster, save_polygons):
    path = save_polygons(
        on_ground(0, 0, 9, 9), on_ground(20, 0, 9, 9), on_ground(40, 0, 9, 9), kind=["shed", "barn", None]
    )
    dataset = read_dataset(make_raster(), path, ReadingOptions(class_attribute="kind"))
    assert dataset.class_names == ("barn", "shed")
    scene = dataset[0]
    assert [scene.classes[4, col] for col in (4, 24, 44, 60)] == [2, 1, -1, 0]
    assert scene.objects[4, 44] == -1
    with pytest.raises(BadDataset, match='no attribute "sort"; they have "kind"'):
        read_dataset(make_raster(), path, ReadingOptions(class_attribute="sort"))


def test_windows_of_a_large_raster_see_their_part(make_raster, save_polygons):
    path = save_polygons(on_ground(10, 5, 40, 8))
    dataset = read_dataset(make_raster(), path, ReadingOptions(max_side_px=32))
    assert [int((scene.objects > 0).sum()) for scene in dataset] == [22 * 8, 18 * 8, 0, 0]


def test_rasters_without_overlap_get_both_bounds_in_one_crs(make_raster, save_polygons):
    path = save_polygons(on_ground(1000, 0, 10, 10))
    with pytest.raises(BadDataset, match=r"UTM zone 50N, scene.tif spans 500000, .* span 500500, .*do not overlap"):
        read_dataset(make_raster(), path)


def test_rasters_beside_the_polygons_are_left_out_and_told(make_raster, save_polygons):
    near = make_raster("images/near.tif")
    make_raster("images/far.tif", transform=None, crs="EPSG:32651")
    dataset = read_dataset(near.parent, save_polygons(on_ground(1, 1, 5, 5)))
    assert dataset.names == ("near",)
    assert "1 rasters outside of all polygons are left out" in dataset.messages[0]


def test_what_cannot_be_laid_over_gets_a_sentence(make_raster, save_polygons, tmp_path: Path):
    path = save_polygons(on_ground(0, 0, 9, 9))
    with pytest.raises(BadDataset, match="has no place on Earth"):
        read_dataset(make_raster("plain.tif", crs=None), path)
    with pytest.raises(BadDataset, match="1 features and no polygon"):
        read_dataset(make_raster(), save_polygons(shapely.Point(LEFT, TOP), name="points.gpkg"))
    broken = tmp_path / "broken.geojson"
    broken.write_text("{")
    with pytest.raises(BadDataset, match="cannot be read as a vector file"):
        read_dataset(make_raster(), broken)


def test_geojson_may_be_called_json(make_raster, tmp_path: Path):
    ring = [[117.0, 39.7], [117.001, 39.7], [117.001, 39.75], [117.0, 39.75], [117.0, 39.7]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert (read_dataset(make_raster(), path)[0].objects == 1).any()


def test_rasters_are_grouped_by_blocks_of_the_ground(make_raster, save_polygons):
    path = save_polygons(on_ground(0, 0, 64, 48))
    options = ReadingOptions(grouping=Grouping("location", block_m=10), max_side_px=32)
    groups = read_dataset(make_raster(), path, options).groups
    assert len(set(groups)) == 4  # the raster covers 32 m x 24 m, its windows have 16 m
    assert all(group.startswith("block ") for group in groups)
    assert len(set(read_dataset(make_raster(), path, ReadingOptions(grouping=Grouping("location"))).groups)) == 1
