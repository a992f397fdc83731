"""A whole dataset: files, ids, counts, interruption, and that its readers take it as it is."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image
from pycocotools.coco import COCO

from server.datasets.building import building, pictures
from server.datasets.building.opening import open_source
from server.datasets.building.settings import BuildSettings, Gate, Shares
from server.datasets.building.splitting import split_areas
from server.datasets.class_table import read_class_table
from server.datasets.errors import BadDataset
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.reading import read_dataset
from server.errors import BadParameter, TooLarge
from tests.datasets.building.conftest import INPUT_PX, BrightNetwork, Interrupted

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_counts_and_files(build, tmp_path):
    summary = build()
    assert (summary.n_images, summary.n_in, summary.n_kept) == (2, 6, 5)
    assert summary.rejected == {"box_disagrees": 1}
    assert summary.kept_by_class == {"car": 3, "bus": 2}
    assert summary.in_by_class == {"car": 4, "bus": 2}
    files = {
        "README.md",
        "classes.json",
        "instances.json",
        "manifest.json",
        "plan.json",
        "rejected.json",
        "report.html",
        "splits.json",
    }
    per_image = {f"{kind}/{name}" for name in "ab" for kind in ("instances", "masks")}
    expected = files | {f"{name}.png" for name in per_image} | {"records/a.json", "records/b.json"}
    assert read_bytes(tmp_path / "out").keys() == expected


def test_coco_has_ids_of_the_whole_dataset(build, tmp_path, capsys):
    build()
    coco = COCO(str(tmp_path / "out" / "instances.json"))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.png", "b.png"]
    assert sorted(coco.anns) == [1, 2, 3, 4, 5]
    assert [annotation["instance_id"] for annotation in coco.anns.values()] == [1, 2, 3, 1, 2]
    for annotation in coco.anns.values():
        x, y, width, height = annotation["bbox"]
        mask = coco.annToMask(annotation)
        assert mask[y : y + height, x : x + width].all()
        assert mask.sum() == width * height == annotation["area"]
        assert annotation["corners"][0] == [x, y]
        assert coco.cats[annotation["category_id"]]["name"] == (
            "bus" if height > 30 or width == 20 == x + 15 else "car"
        )
    rejected = json.loads((tmp_path / "out" / "rejected.json").read_text())["annotations"]
    assert [(row["rejected"], row["image_id"]) for row in rejected] == [("box_disagrees", 2)]


def test_maps_have_classes_and_objects(build, tmp_path):
    build()
    picture = Image.open(tmp_path / "out" / "masks" / "a.png")
    classes, objects = np.array(picture), np.array(Image.open(tmp_path / "out" / "instances" / "a.png"))
    assert (picture.mode, objects.dtype) == ("P", np.uint16)
    assert (classes[10, 10], classes[5, 50], classes[0, 0]) == (0, 1, 255)
    assert (objects[10, 10], objects[5, 50], objects[0, 0]) == (2, 1, 0)
    assert picture.getpalette()[:3] != picture.getpalette()[3:6]


def test_the_readers_take_the_result_as_it_is(build, scene, tmp_path):
    build()
    out = tmp_path / "out"
    coco = read_dataset(scene, out / "instances.json")
    by_class = read_dataset(scene, out / "masks", ReadingOptions(class_table=read_class_table(out / "classes.json")))
    by_object = read_dataset(scene, out / "instances")
    for dataset in (coco, by_class):
        assert dataset.class_names == ("car", "bus")
        assert dataset.names == ("a", "b")
        assert dataset[0].classes[10, 10] == 1
        assert dataset[0].classes[5, 50] == 2
    assert (coco[0].classes[0, 0], by_class[0].classes[0, 0]) == (0, -1)
    assert len(np.unique(by_object[0].objects)) == 4


def test_the_manifest_has_every_file(build, tmp_path):
    build()
    content = read_bytes(tmp_path / "out")
    rows = json.loads(content.pop("manifest.json"))["files"]
    assert {row["file"]: row["sha256"] for row in rows} == {
        name: hashlib.sha256(data).hexdigest() for name, data in content.items()
    }


KILLED = """
import os, signal, sys
from pathlib import Path
from server.datasets.building import pictures
from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Provenance
from server.datasets.building.opening import open_source
from server.datasets.building.settings import BuildSettings
from tests.datasets.building.conftest import MAKING, BrightNetwork

def kill(path, _):
    if "b~draft" in path:
        Path(path).write_bytes(b"half a picture")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(path, _)

write, pictures.cv2.imwrite = pictures.cv2.imwrite, kill
scene, out = map(Path, sys.argv[1:])
source = open_source(scene, scene, "yolo", ["car", "bus"], None)
DatasetBuilder(source, BuildSettings(), MAKING, out).build(BrightNetwork(), Provenance(image_licence="CC0"))
"""


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(build, scene, tmp_path):
    whole, rest = BrightNetwork(), BrightNetwork()
    build("whole", network=whole)
    killed = tmp_path / "killed"
    done = subprocess.run([sys.executable, "-c", KILLED, scene, killed], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -signal.SIGKILL
    left = read_bytes(killed).keys()
    assert {"records/a.json", "instances/b~draft.png"} <= left
    assert not {"records/b.json", "manifest.json", "instances.json"} & left
    build("killed", network=rest)
    assert 0 < rest.n_patches < whole.n_patches
    assert read_bytes(killed) == read_bytes(tmp_path / "whole")
    again = BrightNetwork()
    build("killed", network=again)
    assert again.n_patches == 0


def test_an_error_before_the_record_does_the_image_again(build, tmp_path, monkeypatch):
    def fail(*_):
        raise Interrupted

    monkeypatch.setattr(building, "write_record", fail)
    with pytest.raises(Interrupted):
        build("out")
    monkeypatch.undo()
    assert sorted(read_bytes(tmp_path / "out")) == ["instances/a.png", "masks/a.png", "plan.json"]
    build("out")
    build("other")
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "other")


def test_changed_labels_are_done_again(build, scene):
    build()
    (scene / "b.txt").write_text("")
    network = BrightNetwork()
    summary = build(network=network)
    assert summary.n_kept == 3
    assert network.n_patches == 0  # a is as it was, b has nothing to ask


def test_what_is_left_of_images_without_labels_goes(build, scene, tmp_path):
    build()
    (scene / "b.txt").unlink()
    assert build().n_images == 1
    left = read_bytes(tmp_path / "out")
    assert not {"records/b.json", "masks/b.png", "instances/b.png"} & left.keys()
    build("fresh")
    assert left == read_bytes(tmp_path / "fresh")


def test_prompts_for_classes_that_there_are_not_get_a_sentence(build):
    with pytest.raises(BadParameter, match='chosen for "ship", but the classes are "bus", "car"'):
        build(settings=BuildSettings(class_prompts={"ship": frozenset(("point",))}))


def test_the_order_of_lines_changes_nothing(build, scene, tmp_path):
    build("there")
    for name in ("a", "b"):
        path = scene / f"{name}.txt"
        path.write_text("\n".join(reversed(path.read_text().splitlines())))
    build("back")
    assert read_bytes(tmp_path / "there") == read_bytes(tmp_path / "back")


def test_other_plans_and_other_files_are_refused(build, tmp_path):
    build()
    with pytest.raises(BadDataset, match="was begun with another gate"):
        build(settings=BuildSettings(gate=Gate(min_predicted_iou=0.1)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").touch()
    with pytest.raises(BadDataset, match="holds other files"):
        build("full")


def test_images_beyond_the_memory_are_refused(build, monkeypatch):
    monkeypatch.setattr(building, "MAX_PIXELS", 100)
    with pytest.raises(TooLarge, match=r"a\.png has 120 x 80 pixels"):
        build()


def test_more_objects_than_16_bits_go_into_a_geotiff(build, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PNG_ID", 2)
    build()
    assert {path.name for path in (tmp_path / "out" / "instances").iterdir()} == {"a.tif", "b.png"}
    with rasterio.open(tmp_path / "out" / "instances" / "a.tif") as raster:
        assert raster.dtypes == ("int32",)
        assert raster.read(1).max() == 3


@pytest.fixture
def georeferenced(make_raster, tmp_path):
    """Return a source with one image on the map and a bright rectangle."""
    bands = np.full((3, 48, 64), 40, np.uint8)
    bands[:, 10:20, 5:25] = 200
    images = make_raster("mapped/town.tif", bands, photometric="rgb").parent
    (tmp_path / "town.csv").write_text("image,xmin,ymin,xmax,ymax,class\ntown,5,10,25,20,hall\n")
    return open_source(images, tmp_path / "town.csv", "csv", None, None)


def test_georeferenced_images_have_maps_and_outlines(georeferenced, build, tmp_path):
    build("one", source=georeferenced)
    out = tmp_path / "one"
    with rasterio.open(out / "geotiff" / "masks" / "town.tif") as classes:
        assert (classes.nodata, classes.crs.to_epsg(), classes.dtypes) == (255, 32650, ("uint8",))
        assert classes.read(1)[15, 10] == 0
        assert classes.read(1)[0, 0] == 255
        assert classes.colormap(1)[255] == (0, 0, 0, 0)
        assert json.loads(classes.tags()["CLASSES"]) == {"0": "hall"}
    with rasterio.open(out / "geotiff" / "instances" / "town.tif") as objects:
        assert (objects.nodata, objects.read(1)[15, 10]) == (0, 1)
    meta, _, _, columns = pyogrio.raw.read(out / "geopackage" / "town.gpkg")
    values = dict(zip(meta["fields"], columns, strict=True))
    assert (values["class"][0], values["area_px"][0], values["area_m2"][0]) == (
        "hall",
        200,
        pytest.approx(50, rel=0.01),
    )
    build("two", source=georeferenced)
    assert read_bytes(out) == read_bytes(tmp_path / "two")


def test_large_images_are_cut_and_large_objects_seen_whole(build, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    image = np.full((300, 400, 3), 40, np.uint8)
    image[20:180, 30:190] = 200
    image[200:220, 300:310] = 200
    Image.fromarray(image).save(folder / "l.png")
    (folder / "l.csv").write_text("xmin,ymin,xmax,ymax\n30,20,190,180\n300,200,310,220\n")
    source = open_source(folder, folder, "csv", None, None)
    network = BrightNetwork()
    summary = build(source=source, network=network)
    assert (summary.n_kept, network.n_patches) == (2, 2)
    (small, large) = sorted(json.loads((tmp_path / "out" / "records" / "l.json").read_text())["annotations"],
                            key=lambda row: row["area"])  # fmt: skip
    assert small["bbox"] == [300, 200, 10, 20]
    x, y, width, height = large["bbox"]
    assert abs(x - 30) <= 3
    assert abs(y - 20) <= 3
    assert abs(width - 160) <= 6
    assert abs(height - 160) <= 6
    assert INPUT_PX < 160


def test_parts_never_cut_an_area():
    areas = {f"{area}{number}": area for area in "ABCDEFGH" for number in range(5)}
    parts = split_areas(areas, Shares(0.25, 0.25), seed=3)
    assert all(len({parts[name] for name in areas if areas[name] == area}) == 1 for area in "ABCDEFGH")
    counts = [list(parts.values()).count(name) for name in ("training", "validation", "test")]
    assert counts == [20, 10, 10]
    assert parts == split_areas(areas, Shares(0.25, 0.25), seed=3)
    assert parts != split_areas(areas, Shares(0.25, 0.25), seed=4)
    assert set(split_areas({"a": "A"}, Shares(), 0).values()) == {"training"}
    assert set(split_areas({"a": "A", "b": "B", "c": "C"}, Shares(), 0).values()) == {"training", "validation", "test"}
    assert set(split_areas(areas, Shares(0, 0), 0).values()) == {"training"}


def test_areas_come_from_names(scene):
    source = open_source(scene, scene, "yolo", None, Grouping("name", "[ab]"))
    assert [image.group for image in source.images] == ["a", "b"]
    assert source.class_names == ("class 0", "class 1")


def test_the_data_sheet_says_what_it_is(build, tmp_path):
    build()
    sheet = (tmp_path / "out" / "README.md").read_text()
    for text in (
        "| 0 | car | 4 | 3 |",
        "| rejected: box disagrees | 1 |",
        "stand-in, SHA-256 000",
        "CC0",
        "smaller one",
    ):
        assert text in sheet
