"""The `finetune` command on files, and `segment --class` with what it made."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

from server.commands import checkpoints, finetune, segment
from server.datasets.errors import BadDataset
from server.errors import BadParameter
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER

TABLE = [{"name": "road", "value": 2}, {"name": "water", "value": 1}]


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for module in (finetune, segment, checkpoints):
        module.add_parser(commands)
    arguments = parser.parse_args([str(word) for word in words])
    status: int = arguments.run(arguments)
    return status


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with two images in each of two areas, and a class table."""
    folder = tmp_path / "streets"
    for number, area in enumerate(("east", "east", "west", "west")):
        rng = np.random.default_rng(number)
        image, mask = rng.integers(40, 80, (64, 64, 3)).astype(np.uint8), np.zeros((64, 64), np.uint8)
        cv2.line(mask, (int(rng.integers(64)), 0), (int(rng.integers(64)), 63), 2, 7)
        image[mask > 0] += 120
        for kind, pixels in (("images", image), ("masks", mask)):
            (folder / kind / area).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / kind / area / f"{number}.png"), pixels)
    (folder / "classes.json").write_text(json.dumps(TABLE))
    return folder


@pytest.fixture
def ckpt(tmp_path: Path) -> Path:
    folder = tmp_path / "ckpt"
    folder.mkdir()
    shutil.copy(CHECKPOINT_FOLDER / "embedded.safetensors", folder)
    return folder


def test_fine_tuned_then_used(data: Path, ckpt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["finetune", "--data", data, "--class", "road", "--out", "roads", "--ckpt-folder", ckpt, "--threads", 1]
    words += ["--folder", tmp_path / "run", "--steps", 2, "--images-per-step", 1, "--views", 1, "--device", "cpu"]
    assert run(*words, "--thin", "--licence", "CC0-1.0", "--json") == 0
    out = capsys.readouterr().out
    assert "2 images to learn from; 2 to validate, of the areas west." in out
    figures = json.loads(out.splitlines()[-1])
    assert set(figures) == {"before", "after", "best_step", "weights"}
    assert set(figures["after"]) == {"iou", "dice", "precision", "recall", "cl_dice"}
    card = json.loads((ckpt / "roads.json").read_text())
    assert (card["data"], card["licence"]) == ("2 images of streets, areas east", "CC0-1.0")
    run("checkpoints", "--ckpt-folder", ckpt, "--json")
    listed = json.loads(capsys.readouterr().out)
    assert listed[-1]["class_name"] == "road"
    source = data / "images" / "west" / "3.png"
    words = ["segment", source, tmp_path / "labels.tif", "--class", "--checkpoint", "roads", "--ckpt-folder", ckpt]
    assert run(*words, "--device", "cpu", "--vector", tmp_path / "roads.geojson") == 0
    with rasterio.open(tmp_path / "labels.tif") as raster:
        assert raster.shape == (64, 64)
    assert "features" in json.loads((tmp_path / "roads.geojson").read_text())


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (["--class", "roof"], BadDataset, 'no class "roof"; their classes are road, water'),
        ([], BadParameter, r"2 classes \(road, water\); choose one with --class"),
        (["--class", "water"], BadDataset, 'training images belongs to "water"'),
        (["--class", "road", "--hold-out", "north"], BadDataset, 'No image belongs to the area "north"'),
        (["--class", "road", "--areas-by", "name", "--area-pattern", "^"], BadDataset, "one area"),
        (["--class", "road", "--out", "embedded"], BadParameter, "here already"),
        (["--class", "road", "--checkpoint", "vit_z"], BadParameter, 'No checkpoint is called "vit_z"'),
        (["--class", "road", "--threads", "0"], BadParameter, "--threads is 0"),
        (["--class", "road", "--cache-gib", "0"], BadParameter, "--cache-gib is 0.0"),
    ],
)
def test_wrong_input_gets_a_sentence(
    words: list[str], error: type[Exception], sentence: str, data: Path, ckpt: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        run(
            *("finetune", "--data", data, "--out", "roads", "--ckpt-folder", ckpt, "--folder", tmp_path / "run"),
            *("--threads", 1, "--device", "cpu", *words),
        )
    assert [path.name for path in ckpt.iterdir()] == ["embedded.safetensors"]


def test_data_must_be_named(ckpt: Path, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="give --data, or --images and --masks"):
        run("finetune", "--out", "roads", "--ckpt-folder", ckpt, "--images", tmp_path)


def test_class_mode_needs_a_fine_tuned_checkpoint(data: Path, ckpt: Path, tmp_path: Path) -> None:
    source = data / "images" / "west" / "3.png"
    words = ["segment", source, tmp_path / "labels.tif", "--class", "--ckpt-folder", ckpt, "--device", "cpu"]
    with pytest.raises(BadParameter, match='"embedded" was not fine-tuned for a class'):
        run(*words)
    with pytest.raises(BadParameter, match="--points-per-side has no meaning with --class"):
        run(*words, "--points-per-side", 8)
    with pytest.raises(BadParameter, match="--full-cover has no meaning with --class"):
        run(*words, "--full-cover")
