"""COCO, CSV, and vector files over georeferenced rasters."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from pyogrio.raw import write
from pyproj import Transformer

from server.datasets.detections.names import ImageNames
from server.datasets.detections.opening import open_detections
from server.datasets.errors import BadDataset
from server.datasets.images import find_files


def coco(**changes):
    return {
        "images": [{"id": 5, "file_name": "deep/a.png"}, {"id": 6, "file_name": "gone.png"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 3, "bbox": [10, 5, 20, 10], "iscrowd": 0},
            {"id": 2, "image_id": 5, "category_id": 3, "bbox": [0, 0, 20, 20], "iscrowd": 1}
            | {"corners": [[10, 0], [20, 10], [10, 20], [0, 10]]},
        ],
        "categories": [{"id": 3, "name": "car"}],
    } | changes


def test_coco_boxes(read_text, images, tmp_path):
    plain, turned = read_text("coco", ".json", json.dumps(coco()))
    assert (plain.class_name, plain.box, plain.is_difficult) == ("car", (10, 5, 30, 15), False)
    assert (turned.box, turned.is_difficult, turned.is_rotated) == ((0, 0, 20, 20), True, True)
    reader = open_detections("coco", tmp_path / "a.json", ImageNames(find_files(images)), None)
    assert "1 images named in a.json do not exist and are left out" in reader.notes[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"annotations": [{"id": 4, "image_id": 9}]},
            r'a\.json, annotation 4 belongs to no image of the list "images"',
        ),
        ({"annotations": [{"id": 4, "image_id": 5, "category_id": 8}]}, r"annotation 4 has the category 8"),
        ({"annotations": [{"id": 4, "image_id": 5, "category_id": 3}]}, r'annotation 4 has no "bbox"'),
        (
            {"annotations": [{"id": 4, "image_id": 5, "category_id": 3, "bbox": [1, 2, "x", 4]}]},
            r'annotation 4: "x" stands where a number',
        ),
        ({"images": [{"id": 5, "file_name": "b.png"}], "annotations": []}, r'speaks of none of the images "a"'),
        ({"categories": None}, "is not a COCO file"),
    ],
)
def test_wrong_coco_files_get_a_sentence(changes, sentence, read_text):
    with pytest.raises(BadDataset, match=sentence):
        read_text("coco", ".json", json.dumps(coco(**changes)))


def test_a_csv_table_of_all_images(read_text):
    text = "image_path,xmin,ymin,xmax,ymax,label\na.png,30,5,10,15,car\n\ngone.png,1,1,2,2,car\n"
    (found,) = read_text("csv", ".csv", text)
    assert (found.class_name, found.box, found.source) == ("car", (10, 5, 30, 15), "a.csv, line 2")


def test_csv_tables_of_points_in_a_folder(save_image, tmp_path, read_all):
    save_image("a")
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "a.csv").write_text("x,y\n3,4\n")
    (found,) = read_all("csv", tmp_path / "points")["a"]
    assert (found.is_point, found.class_name, found.corners.tolist()) == (True, "object", [[3, 4]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("left,top\n1,2\n", r'a\.csv, line 1 has the columns "left", "top"; expected named columns'),
        ("x,y\n1,2\n", r"a\.csv, line 2 names no image"),
        ("image,x,y\na.png,1\n", r"a\.csv, line 2 has 2 values, but there are 3 columns"),
        ("image,x,y\na.png,1,far\n", r'a\.csv, line 2: "far" stands where a number'),
        ("image,x,y\nb.png,1,2\n", r'a\.csv speaks of none of the images "a"; it names "b\.png"'),
        ("image,x,y,class\na.png,1,2,\n", r"a\.csv, line 2: the class is missing"),
    ],
)
def test_wrong_csv_tables_get_a_sentence(text, sentence, read_text):
    with pytest.raises(BadDataset, match=sentence):
        read_text("csv", ".csv", text)


@pytest.fixture
def raster_images(make_raster):
    """Return the folder with one raster of 64 x 48 pixels of half a metre."""
    return make_raster("images/scene.tif").parent


def test_vector_files_are_carried_into_pixels(raster_images, tmp_path, read_all):
    to_degrees = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    corners = np.array([[10.0, 0], [20, 10], [10, 20], [0, 10]])
    place = lambda pixels: np.stack(  # noqa: E731 - read once, here
        to_degrees.transform(500_000 + pixels[:, 0] / 2, 4_400_000 - pixels[:, 1] / 2), axis=1
    )
    features = [
        (shapely.Polygon(place(corners)), "ship"),
        (shapely.Point(place(np.array([[30.0, 40.0]]))[0]), "tree"),
        (shapely.Point(0.0, 0.0), "tree"),
    ]
    rows = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(shape), "properties": {"label": name}}
        for shape, name in features
    ]
    path = tmp_path / "boxes.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    reader = open_detections("geojson", path, ImageNames(find_files(raster_images)), ["ship", "tree"])
    assert "were carried from WGS 84 into WGS 84 / UTM zone 50N" in reader.notes[0]
    ship, tree = read_all("geojson", path)["scene"]
    assert (ship.class_name, tree.class_name, tree.is_point) == ("ship", "tree", True)
    np.testing.assert_allclose(ship.corners, corners, atol=0.01)
    np.testing.assert_allclose(tree.corners, [[30, 40]], atol=0.01)
    with pytest.raises(BadDataset, match=r'boxes\.geojson: the class "tree" is not among "ship"'):
        open_detections("geojson", path, ImageNames(find_files(raster_images)), ["ship"])


def test_other_shapes_count_by_the_rectangle_around_them(raster_images, tmp_path, read_all):
    triangle = shapely.Polygon([(500_000, 4_400_000), (500_010, 4_400_000), (500_010, 4_399_990)])
    path = tmp_path / "boxes.gpkg"
    write(path, np.array([shapely.to_wkb(triangle)]), [], [], geometry_type="Polygon", crs="EPSG:32650")
    (found,) = read_all("geojson", path)["scene"]
    assert (found.class_name, len(found.corners)) == ("object", 4)
    assert found.box.width * found.box.height >= 200 - 1e-6


def test_vector_files_beside_all_rasters_and_rasters_without_a_place(raster_images, tmp_path, make_raster):
    path = tmp_path / "boxes.geojson"
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}, "properties": {}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [point]}))
    with pytest.raises(BadDataset, match=r"Nothing in boxes\.geojson lies on any of the rasters"):
        open_detections("geojson", path, ImageNames(find_files(raster_images)), None)
    plain = make_raster("plain/scene.tif", crs=None).parent
    with pytest.raises(BadDataset, match=r"scene\.tif has no place on Earth"):
        open_detections("geojson", path, ImageNames(find_files(plain)), None)
