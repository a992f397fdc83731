"""A damaged image is left out with a sentence; the others are built as if it were not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from server.datasets.building.opening import open_source
from server.datasets.errors import BadDataset
from server.datasets.refused import find_refused, refuse
from tests.datasets.building.test_building import read_bytes

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def damage_header(image: Path) -> None:
    image.write_bytes(b"GIF89a no picture")


def damage_pixels(image: Path) -> None:
    """Cut the file off behind its header, so that only reading finds out."""
    image.write_bytes(image.read_bytes()[:80])


def refuse_it(image: Path) -> None:
    refuse(image, "The file is an octopus.")


@pytest.mark.parametrize("damage", [damage_header, damage_pixels, refuse_it])
def test_a_damaged_image_is_left_out(damage, build, scene, tmp_path):
    build("before")
    damage(scene / "a.png")
    for out in ("before", "fresh"):
        summary = build(out)
        assert (summary.n_images, summary.n_in, summary.n_kept) == (1, 3, 2)
        (told,) = summary.left_out
        assert told.startswith("a.png is left out: The file ")
        assert summary.notes[0] == told
        assert "1 images (1 more cannot be read)" in summary.tell()
    assert read_bytes(tmp_path / "before") == read_bytes(tmp_path / "fresh")
    assert not {"masks/a.png", "records/a.json", "instances/a.png"} & read_bytes(tmp_path / "fresh").keys()
    assert json.loads((tmp_path / "fresh" / "splits.json").read_text())["parts"].keys() == {"b"}


@pytest.mark.parametrize("damage", [damage_header, damage_pixels, refuse_it])
def test_only_damaged_images_are_an_error(damage, build, scene):
    for name in ("a", "b"):
        damage(scene / f"{name}.png")
    with pytest.raises(BadDataset, match=r"None of the 2 images can be read\. a\.png is left out: The file "):
        build()


def test_labels_of_a_refused_image_go_to_no_other(scene):
    """Without the note the label of one folder would fit the image of the other, which has its name."""
    picture = (scene / "a.png").read_bytes()
    for name in ("north", "south"):
        (scene / name).mkdir()
        (scene / name / "c.png").write_bytes(picture)
    (scene / "a.png").unlink()
    (scene / "a.txt").rename(scene / "c.txt")
    refuse(scene / "north" / "c.png", "The file is an octopus.")
    assert find_refused(scene) == {"north/c": "c.png is left out: The file is an octopus."}
    source = open_source(scene, scene, "yolo", ["car", "bus"], None)
    assert [image.name for image in source.images] == ["b"]
    assert source.reader.notes[0] == '1 label files have no image and are left out: "c.txt".'


def test_boxes_of_a_map_are_laid_over_what_can_be_opened(make_raster, tmp_path):
    whole = make_raster("maps/whole.tif", np.full((3, 20, 20), 90, np.uint8))
    damage_header(whole.with_name("damaged.tif"))
    ring = [[117, 39], [117, 41], [118, 41], [118, 39], [117, 39]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    boxes = tmp_path / "boxes.geojson"
    boxes.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    source = open_source(whole.parent, boxes, "geojson", None, None)
    assert [image.name for image in source.images] == ["whole"]
    assert any(note.startswith("damaged.tif is left out: ") for note in source.reader.notes)
