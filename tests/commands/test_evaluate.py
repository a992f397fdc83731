"""`evaluate`: options are checked, a tiny run writes table and picture, class rasters are compared."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from server.commands import evaluate
from server.errors import BadParameter


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["evaluate", *map(str, words)])
    status: int = arguments.run(arguments)
    return status


@pytest.fixture
def imagery(tmp_path: Path) -> Path:
    """Return a folder with one picture of two bright squares and their mask."""
    mask = np.zeros((96, 96), np.uint8)
    mask[10:40, 10:40], mask[60:85, 50:90] = 1, 1
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "images" / "a.png"), np.dstack([60 + 150 * mask] * 3))
    cv2.imwrite(str(tmp_path / "data" / "masks" / "a.png"), mask)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--max-clicks", "0"), "--max-clicks is 0; give 1 or more"),
        (("--tolerance-px", "-1"), "--tolerance-px is -1"),
        (("--modes", "prompts,magic"), '--modes is "prompts,magic"; give some of prompts, everything'),
        (("--modes", ","), "--modes is"),
        (("--all-sets",), "need --data"),
        ((), "Labelled imagery is missing"),
    ],
)
def test_wrong_options_are_refused(words, named):
    with pytest.raises(BadParameter, match=named):
        run(*words)


def test_a_tiny_run_from_end_to_end(imagery, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(evaluate.PRESETS, "fast", {"points_per_side": 2, "pred_iou_thresh": 0.0})
    words = ["--data", imagery, "--preset", "fast", "--max-clicks", 1, "--max-objects-per-image", 1, "--threads", 1]
    assert run(*words, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "| data | embedded | 1 | 1 |" in printed
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["rows"][0]["n_objects"] == 1
    assert 0 <= content["rows"][0]["recall50"] <= 1
    assert (tmp_path / "out" / "report.png").is_file()
    # Everything is measured already, so the second run only writes the report anew.
    monkeypatch.setattr("server.training.evaluation.running.score_scene", lambda *_: pytest.fail("measured twice"))
    assert run(*words, "--out", tmp_path / "out") == 0
    assert capsys.readouterr().out == printed


def test_class_rasters_are_compared(imagery, tmp_path, capsys):
    (tmp_path / "mapped").mkdir()
    mapped = cv2.imread(str(imagery / "masks" / "a.png"), cv2.IMREAD_UNCHANGED) * 255
    mapped[60:] = 0
    cv2.imwrite(str(tmp_path / "mapped" / "a.png"), mapped)
    assert run("--data", imagery, "--predicted", tmp_path / "mapped", "--out", tmp_path / "out") == 0
    assert "| object | 0.474 / 0.474 |" in capsys.readouterr().out  # 900 of 1900 pixels
    assert json.loads((tmp_path / "out" / "classes.json").read_text())[0]["micro"]["precision"] == 1.0


def test_a_named_set_of_boxes(tmp_path, capsys):
    solar = tmp_path / "solar_boxes_roboflow"
    for part in ("images", "labels"):
        (solar / part).mkdir(parents=True)
    cv2.imwrite(str(solar / "images" / "roof.png"), np.full((64, 64, 3), 90, np.uint8))
    (solar / "labels" / "roof.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    assert run("--data", tmp_path, "--set", "solar", "--modes", "prompts", "--out", tmp_path / "out") == 0
    assert "| Solar panels | embedded | 1 | " in capsys.readouterr().out
    assert (tmp_path / "out" / "boxes.md").is_file()


def test_scores_of_other_images_in_the_folder_are_not_shown(imagery, tmp_path, capsys):
    words = ["--modes", "prompts", "--max-clicks", 1, "--threads", 1, "--out", tmp_path / "out"]
    run("--images", imagery / "images", "--masks", imagery / "masks", *words)
    (imagery / "images").rename(imagery / "others")
    capsys.readouterr()
    run("--images", imagery / "others", "--masks", imagery / "masks", *words)
    printed = capsys.readouterr().out
    assert "| others | embedded | 1 | 2 |" in printed
    assert "| images |" not in printed
