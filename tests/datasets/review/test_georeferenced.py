"""Decisions about georeferenced images reach GeoTIFF and GeoPackage, too, and can be taken back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

from server.datasets.archives.places import DatasetPlaces
from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Provenance
from server.datasets.building.opening import open_source
from server.datasets.building.records import read_record
from server.datasets.building.settings import BuildSettings
from server.datasets.review.exporting import list_images
from server.datasets.review.objects import Choice, ReviewObjects
from server.datasets.review.reviewing import Review
from server.errors import BadParameter
from server.vectors.outlines import outline_mask
from tests.datasets.building.conftest import MAKING, BrightNetwork

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE = (96, 64)
SPOTS = [(10, 10, 20, 10), (40, 20, 12, 30), (46, 30, 30, 12)]


@pytest.fixture
def places(make_raster, tmp_path: Path) -> DatasetPlaces:
    """A finished dataset of one image with three bright spots, the last two of which overlap."""
    places = DatasetPlaces(tmp_path / "dataset")
    bands = np.full((3, SIZE[1], SIZE[0]), 20, np.uint8)
    rows = []
    for left, top, width, height in SPOTS:
        bands[:, top : top + height, left : left + width] = 220
        middle = f"{(left + width / 2) / SIZE[0]} {(top + height / 2) / SIZE[1]}"
        rows.append(f"0 {middle} {width / SIZE[0]} {height / SIZE[1]}")
    make_raster("dataset/input/images/deep/a.tif", bands)
    (places.unpacked / "a.txt").write_text("\n".join(rows))
    source = open_source(places.unpacked / "images", places.unpacked, "yolo", ["roof"], None)
    places.remember_images(places.unpacked / "images")
    builder = DatasetBuilder(source, BuildSettings(constrain=True), MAKING, places.built.root)
    builder.build(BrightNetwork(), Provenance())
    ReviewObjects.create(places.objects, [read_record(places.built, name) for name in list_images(places.built)])
    return places


def read_files(review: Review) -> dict[str, bytes]:
    export = review.make_export()
    export.refresh()
    return {name: path.read_bytes() for name, path in export.list_files()}


def find_path(review: Review, name: str) -> Path:
    return dict(review.make_export().list_files())[name]


def test_every_map_follows_a_rejection(places):
    review = Review(places)
    before = read_files(review)
    _, objects = review.objects.page(Choice(order="place"))
    assert len(objects) == 3
    review.objects.decide(objects[0].number, "rejected")
    read_files(review)
    left, top, width, height = SPOTS[0]
    part = (slice(top, top + height), slice(left, left + width))
    for kind in ("masks", "instances"):
        with rasterio.open(find_path(review, f"geotiff/{kind}/deep/a.tif")) as raster:
            values, empty = raster.read(1), raster.nodata
            assert raster.crs.to_epsg() == 32650
        assert (values[part] == empty).all(), kind
    _, _, _, columns = pyogrio.raw.read(find_path(review, "geopackage/deep/a.gpkg"), columns=["id"])
    assert sorted(columns[0].tolist()) == [item.instance_id for item in objects[1:]]
    review.objects.decide(objects[0].number, "open")
    after = read_files(review)
    for name in ("masks/deep/a.png", "instances/deep/a.png", "records/deep/a.json", "instances.json"):
        assert after[name] == before[name], name
    with rasterio.open(find_path(review, "geotiff/instances/deep/a.tif")) as raster:
        assert (raster.read(1)[part] == objects[0].instance_id).all()


def test_the_smaller_is_still_seen(places):
    """A correction goes through the same painter, so its rule for overlaps holds."""
    review = Review(places)
    _, objects = review.objects.page(Choice(order="place"))
    tall = next(item for item in objects if review.describe([item])[0]["bbox"][3] == 30)

    def ask(image: Path, given: object) -> tuple[dict[str, object], float]:
        outline = outline_mask(np.ones((64, 40), bool), (30.0, 0.0), (1.0, 1.0))
        with rasterio.open(image) as raster:
            corners = [raster.transform @ (x, y) for x, y in outline.geoms[0].exterior.coords]
        from pyproj import Transformer

        lonlat = Transformer.from_crs(32650, 4326, always_xy=True)
        ring = [lonlat.transform(*corner) for corner in corners]
        return {"geometry": {"type": "Polygon", "coordinates": [ring]}}, 0.77

    changed = review.correct(tall.number, [[50.0, 40.0, 1]], ask)
    assert changed.correction["bbox"] == [30, 0, 40, 64]
    assert changed.correction["area"] == 40 * 64
    read_files(review)
    with rasterio.open(find_path(review, "geotiff/instances/deep/a.tif")) as raster:
        values = raster.read(1)
    left, top, width, height = SPOTS[2]
    wide = next(item for item in objects if review.describe([item])[0]["bbox"][2] == 30)
    assert (values[top : top + height, left : left + width] == wide.instance_id).all()
    assert (values[0:20, 30:70] == tall.instance_id).all()
    rows = json.loads(find_path(review, "instances.json").read_text())["annotations"]
    assert [row["score"] for row in rows if row.get("review") == "corrected"] == [0.77]


def test_an_answer_without_a_mask_is_said(places):
    review = Review(places)
    with pytest.raises(BadParameter, match="finds nothing there"):
        review.correct(1, [[1.0, 1.0, 1]], lambda image, given: None)
    assert review.objects.get(1).state == "open"
