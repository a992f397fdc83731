"""The command, on datasets that build-dataset wrote and on others."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from server.commands import dataset_report, main
from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Provenance
from server.datasets.building.opening import open_source
from server.datasets.building.settings import BuildSettings
from server.datasets.errors import BadDataset
from server.errors import BadParameter
from tests.datasets.building.conftest import MAKING, BrightNetwork

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    dataset_report.add_parser(parser.add_subparsers())
    arguments = parser.parse_args([str(word) for word in ("dataset-report", *words)])
    status: int = arguments.run(arguments)
    return status


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Return a folder with an image of two bright roofs, their boxes and their true outlines, one of them half."""
    folder = tmp_path / "town"
    for name in ("images", "masks", "boxes"):
        (folder / name).mkdir(parents=True)
    image, truth = np.full((60, 60, 3), 40, np.uint8), np.zeros((60, 60), np.uint16)
    image[5:15, 5:25] = image[30:50, 30:40] = 200
    truth[5:15, 5:25], truth[30:40, 30:40] = 300, 301
    cv2.imwrite(str(folder / "images" / "a.png"), image)
    cv2.imwrite(str(folder / "masks" / "a.png"), truth)
    (folder / "boxes" / "a.csv").write_text("xmin,ymin,xmax,ymax,class\n5,5,25,15,roof\n30,30,40,50,roof\n")
    return folder


@pytest.fixture
def without_pictures(monkeypatch) -> None:
    """Leave out the PNG figures, which take most of the time."""
    monkeypatch.setattr(dataset_report, "write_figures", lambda _figures, folder: [folder])


@pytest.fixture
def built(town, tmp_path) -> Path:
    source = open_source(town / "images", town / "boxes", "csv", None, None)
    DatasetBuilder(source, BuildSettings(), MAKING, tmp_path / "built").build(BrightNetwork(), Provenance())
    return tmp_path / "built"


def test_a_built_dataset_is_told_with_boxes_and_truth(built, town, tmp_path, capsys):
    out = tmp_path / "report" / "r.html"
    assert run(built, "--images", town / "images", "--truth", town / "masks", "--out", out, "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == {
        "images": 1,
        "instances": 2,
        "instances_by_class": {"roof": 2},
        "pixels_by_class": {"roof": 400},
        "median_size_px": 200.0,
        "variation_of_sizes": 0.0,
        "mean_box_iou": 1.0,
        "mean_truth_iou": 0.75,
    }
    page = out.read_text(encoding="utf-8")
    assert "IoU with the truth" in page
    assert "SAMRS" in page
    assert len(list((tmp_path / "report" / "r").glob("*.png"))) == 7


@pytest.mark.usefixtures("without_pictures")
def test_a_built_dataset_needs_no_images(built, tmp_path):
    assert run(built, "--out", tmp_path / "r.html") == 0
    assert "Examples show masks alone" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("without_pictures")
def test_any_labelled_imagery_is_told(town, tmp_path, capsys):
    assert run(town, "--out", tmp_path / "r.html", "--title", "Roofs", "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["instances_by_class"], told["pixels_by_class"]) == ({"object": 2}, {"object": 300})
    assert "<h1>Roofs</h1>" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("without_pictures")
def test_coco_files_are_told(built, town, tmp_path, capsys):
    words = ("--images", town / "images", "--masks", built / "instances.json", "--out", tmp_path / "r.html", "--json")
    assert run(*words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["pixels_by_class"] == {"roof": 400}


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (("{town}/absent",), BadDataset, "is no folder"),
        ((), BadParameter, "give --data, or --images and --masks"),
        (("{built}", "--truth", "{town}/masks"), BadParameter, "give their folder as --images"),
        (
            ("{built}", "--images", "{built}/masks/.."),
            BadDataset,
            "differ only in their ending|holds none of the images",
        ),
        (("{town}", "--size-cutoff", 0), BadParameter, "give 1 pixel or more"),
    ],
)
def test_what_cannot_be_told_gets_a_sentence(words, error, sentence, built, town, tmp_path):
    given = [str(word).format(town=town, built=built) for word in words]
    with pytest.raises(error, match=sentence):
        run(*given, "--out", tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_unfinished_and_empty_datasets_get_a_sentence(built, town, tmp_path):
    (built / "splits.json").unlink()
    with pytest.raises(BadDataset, match="is not finished"):
        run(built, "--out", tmp_path / "r.html")
    cv2.imwrite(str(town / "masks" / "a.png"), np.zeros((60, 60), np.uint16))
    with pytest.raises(BadDataset, match="holds no objects"):
        run(town, "--out", tmp_path / "r.html")


def test_it_is_a_command():
    assert "dataset-report" in main.build_parser().format_help()
