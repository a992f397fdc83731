"""Archives: what is found in folders as data sets have them, limits while unpacking, and packing as a stream."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyogrio
import pytest

from server.datasets.archives.finding import find_parts
from server.datasets.archives.packing import stream_zip
from server.datasets.archives.unpacking import ArchiveLimits, is_taken, look_into, unpack
from server.datasets.archives.vector_boxes import copy_vector_boxes
from server.datasets.errors import BadDataset
from server.errors import BadParameter, TooLarge, UserError

LIMITS = ArchiveLimits(max_image_bytes=2_000, max_pixels=10_000)


def lay_out(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("ship\n")
    return folder


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_folders_are_known_by_their_names(tmp_path):
    folder = lay_out(tmp_path, "VOC/JPEGImages/a.jpg", "VOC/Annotations/a.xml")
    found = find_parts(folder, "voc")
    assert (found.images, found.boxes) == (folder / "VOC/JPEGImages", folder / "VOC/Annotations")
    assert found.classes is None


def test_two_folders_of_one_name_mean_everything(tmp_path):
    folder = lay_out(tmp_path, "train/images/a.png", "val/images/b.png", "train/labels/a.txt", "val/labels/b.txt")
    found = find_parts(folder, "yolo")
    assert (found.images, found.boxes) == (folder, folder)


def test_the_highest_list_of_classes_counts(tmp_path):
    folder = lay_out(tmp_path, "set/a.png", "set/a.txt", "set/deep/classes.txt")
    (folder / "set" / "data.yaml").write_text("names: [plane, ship]\n")
    assert find_parts(folder, "yolo").classes == ("plane", "ship")


@pytest.mark.parametrize(
    ("kind", "names", "expected"),
    [
        ("coco", ["a.png", "boxes.json", "classes.txt"], "boxes.json"),
        ("csv", ["a.png", "labels/boxes.csv"], "labels/boxes.csv"),
        ("coco", ["images/a.png", "labels/a.txt", "boxes.json"], "boxes.json"),
        ("csv", ["a.png", "labels/a.csv", "labels/b.csv"], "labels"),
        ("geojson", ["a.tif", "deep/boxes.gpkg"], "deep/boxes.gpkg"),
    ],
)
def test_one_file_for_all_images(tmp_path, kind, names, expected):
    assert find_parts(lay_out(tmp_path, *names), kind).boxes == tmp_path / expected


def test_two_files_for_all_images_are_refused(tmp_path):
    with pytest.raises(BadDataset, match=r'holds 2: "one.json", "two.json"'):
        find_parts(lay_out(tmp_path, "a.png", "one.json", "two.json"), "coco")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.PNG", True), ("a.tfw", True), ("a.vrt", False), (".a.png", False), ("__MACOSX/a.png", False), ("a", False)],
)
def test_what_is_taken(name, expected):
    assert is_taken(name) is expected


def test_a_size_that_is_not_true_is_found_while_unpacking(tmp_path):
    """The table of contents says ten bytes; the file in the archive goes on."""
    archive = pack(tmp_path / "a.zip", {"a.txt": b"0 " * 500, "z.png": b"x"})
    content = archive.read_bytes()
    place = content.index(b"PK\x01\x02") + 24
    archive.write_bytes(content[:place] + (10).to_bytes(4, "little") + content[place + 4 :])
    found = look_into(archive, LIMITS)
    with pytest.raises((BadParameter, TooLarge), match="zip archive"):
        unpack(archive, found, tmp_path / "out", LIMITS, lambda _: None)
    assert not (tmp_path / "out" / "a.txt").is_file() or (tmp_path / "out" / "a.txt").stat().st_size <= 10


def test_limits(tmp_path):
    archive = pack(tmp_path / "a.zip", {"a.txt": bytes(3_000), "z.png": b"x"})
    with pytest.raises(TooLarge, match="at most 2,000 for one file"):
        unpack(archive, look_into(archive, LIMITS), tmp_path / "out", LIMITS, lambda _: None)
    with pytest.raises(TooLarge, match="has 2 entries; at most 1 are taken"):
        look_into(archive, ArchiveLimits(2_000, 10_000, max_entries=1))
    with pytest.raises(TooLarge, match="more than 3 times as much"):
        look_into(archive, ArchiveLimits(2_000, 10_000, max_ratio=3, harmless_bytes=1_000))


def test_a_file_that_is_a_folder_too_is_refused(tmp_path):
    archive = pack(tmp_path / "a.zip", {"a.txt": b"0", "a.txt/b.txt": b"0", "z.png": b"x"})
    with pytest.raises(BadParameter, match="cannot be unpacked"):
        unpack(archive, look_into(archive, LIMITS), tmp_path / "out", LIMITS, lambda _: None)


def test_a_stream_is_a_zip_archive_and_always_the_same(tmp_path):
    files = {"masks/a.png": b"\x89PNG" * 100_000, "instances.json": b'{"a": 1}' * 100_000, "empty.txt": b""}
    listed = []
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        listed.append((name, path))
    parts = list(stream_zip(listed))
    assert max(len(part) for part in parts) < 300_000, "nothing is held that could have been sent"
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert archive.getinfo("masks/a.png").compress_type == zipfile.ZIP_STORED
    assert b"".join(stream_zip(listed)) == b"".join(parts)


SQUARE = {"type": "Polygon", "coordinates": [[[117.0, 39.7], [117.001, 39.7], [117.001, 39.701], [117.0, 39.7]]]}
BUOY = {"type": "Point", "coordinates": [117.0, 39.7]}


def test_vector_boxes_are_copied(tmp_path, make_raster):
    features = [
        {"type": "Feature", "geometry": SQUARE, "properties": {"label": "ship", "note": "x"}},
        {"type": "Feature", "geometry": BUOY, "properties": {"label": "buoy"}},
        {"type": "Feature", "geometry": None, "properties": {}},
    ]
    source = tmp_path / "boxes.geojson"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    copy = copy_vector_boxes(source, make_raster(), tmp_path / "vectors")
    meta, _, shapes, columns = pyogrio.raw.read(copy)
    assert (copy.name, meta["crs"], list(meta["fields"])) == ("boxes.gpkg", "EPSG:4326", ["class"])
    assert len(shapes) == 2
    assert columns[0].tolist() == ["ship", "buoy"]
    assert copy_vector_boxes(source, tmp_path / "scene.tif", tmp_path / "vectors") == copy, "a second attempt"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("boxes.json", "<OGRVRTDataSource><OGRVRTLayer name='a'/></OGRVRTDataSource>", "none of the known vector"),
        ("boxes.gpkg", "id,WKT", "none of the known vector"),
        ("boxes.geojson", '{"type": "FeatureCollection", "features": []}', "neither polygon nor point"),
        ("boxes.geojson", '{"type": "Point", "coordinates": [1, 2], "space": "pixel"}', "where on Earth"),
        ("boxes.gpkg", "PK\x03\x04", "an archive of its own"),
    ],
)
def test_what_is_no_vector_file_never_reaches_gdal(tmp_path, make_raster, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=told):
        copy_vector_boxes(tmp_path / name, make_raster(), tmp_path / "vectors")
    assert not (tmp_path / "vectors").exists()
