"""Which image a label file belongs to, and lists of classes."""

from __future__ import annotations

import pytest

from server.datasets.detections.class_list import read_class_list
from server.datasets.detections.names import ImageNames
from server.datasets.detections.opening import open_detections
from server.datasets.errors import BadDataset
from server.datasets.images import find_files


def test_names_are_found_by_path_and_by_file_name(save_image, images):
    for name in ("east/a", "west/a", "b.v2"):
        save_image(name)
    names = ImageNames(find_files(images))
    assert names.find("east/a.png") == "east/a"
    assert names.find("elsewhere\\b.v2.JPG") == "b.v2"
    assert names.find("b.v2") == "b.v2"
    assert names.find("a.png") is None  # two folders have one
    assert names.find("c") is None


def test_what_stays_alone_is_said(save_image, images, tmp_path):
    save_image("a")
    save_image("b")
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in ("a", "c"):
        (labels / f"{name}.txt").write_text("0 0.5 0.5 0.1 0.1")
    reader = open_detections("yolo", labels, ImageNames(find_files(images)), None)
    assert reader.images == ("a",)
    assert list(reader.notes) == [
        '1 label files have no image and are left out: "c.txt".',
        '1 images have no boxes and are left out: "b".',
    ]


def test_nothing_to_read_gets_a_sentence(save_image, images, tmp_path):
    save_image("a")
    names = ImageNames(find_files(images))
    labels = tmp_path / "labels"
    (labels / "more").mkdir(parents=True)
    with pytest.raises(BadDataset, match=r'None of the images "a" has a \.xml file'):
        open_detections("voc", labels, names, None)
    for folder in (labels, labels / "more"):
        (folder / "a.xml").write_text("")
    with pytest.raises(BadDataset, match="both carry the name of the image a"):
        open_detections("voc", labels, names, None)
    with pytest.raises(BadDataset, match="needs one file"):
        open_detections("coco", labels, names, None)
    with pytest.raises(BadDataset, match="does not exist"):
        open_detections("coco", tmp_path / "absent", names, None)
    with pytest.raises(BadDataset, match='There is no format "kitti"'):
        open_detections("kitti", labels, names, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "car\n\nbig ship \n"),
        ("classes.json", '["car", "big ship"]'),
        ("table.json", '[{"name": "car", "value": 1}, {"name": "big ship", "value": 2}]'),
        ("data.yaml", "train: images\nnames: ['car', \"big ship\"]\nnc: 2\n"),
        ("listed.yaml", "names:\n  - car  # small\n  - big ship\nnc: 2\n"),
        ("numbered.yml", "nc: 2\nnames:\n  1: big ship\n  0: car\n"),
    ],
)
def test_class_lists(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert read_class_list(tmp_path / name) == ("car", "big ship")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "", "holds 0 names"),
        ("a.txt", "car\ncar", 'holds "car" twice'),
        ("a.json", "{", "cannot be read as JSON"),
        ("a.yaml", "nc: 3", 'has no entry "names"'),
    ],
)
def test_wrong_class_lists_get_a_sentence(name, text, sentence, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadDataset, match=sentence):
        read_class_list(tmp_path / name)
