"""Means, the table and the picture, from scores written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from server.datasets.scenes import Dataset
from server.training.evaluation.clicking import PromptScores
from server.training.evaluation.figure import SIZE_NAMES, choose_cases, draw_figure, share_by_size
from server.training.evaluation.finding import FindingScores
from server.training.evaluation.report import render_table, write_report
from server.training.evaluation.scene_scores import ObjectScores, SceneScores
from server.training.evaluation.summary import summarise
from tests.segmentation.prompting.bright_areas import BrightAreas
from tests.training.evaluation.test_running import Kept


def an_object(object_id: int, first: list[float], felzenszwalb: list[float], box: float = 0.6) -> ObjectScores:
    prompts = PromptScores(first, [first[0] + 0.1, 0.9, 0.9], box)
    return ObjectScores(object_id, 400, prompts, felzenszwalb, 0.7, PromptScores([0.1], [0.2, 0.2, 0.2], 0.3))


def a_window(best_ious: list[float], n_covered: int) -> FindingScores:
    areas = [400] * len(best_ious)
    return FindingScores(
        (0, 0, 50, 50), areas, best_ious, 3, n_covered, 1000, 0.2, 0.4, 1.0, [best_ious, [0.9] * 2, [0] * 2]
    )


@pytest.fixture
def scores() -> list[SceneScores]:
    one = an_object(1, [0.5, 0.6, 0.7, 0.8, 0.86], [0.2, 0.4, 0.9])
    other = an_object(2, [0.91], [0.8, 0.6, 0.1])
    return [
        SceneScores("A", "a1", [one], [a_window([0.5, 0.4], 100)]),
        SceneScores("A", "a2", [other], [a_window([0.6, 0.7], 300)]),
        SceneScores("B", "b1", [], [a_window([0.1, 0.2], 0)]),
    ]


def test_means_of_the_checkpoint(scores):
    row = summarise(scores, "mine", max_clicks=20)[0]
    assert (row.set_title, row.method, row.n_images, row.n_objects) == ("A", "mine", 2, 2)
    # The second object was good after one click, so that this IoU counts for further clicks.
    assert row.first == pytest.approx([(0.5 + 0.91) / 2, (0.7 + 0.91) / 2, (0.86 + 0.91) / 2])
    assert row.best == pytest.approx([(0.6 + 1.01) / 2, 0.9, 0.9])
    assert row.clicks_needed == [(4 + 1) / 2, (5 + 1) / 2, (20 + 1) / 2]
    assert row.share_failed == [0.0, 0.0, 0.5]
    assert (row.box, row.recall50, row.average_recall, row.average_precision, row.coverage) == pytest.approx(
        (0.6, 0.75, 0.4, 0.2, 0.2)
    )


def test_means_of_the_baselines(scores):
    rows = {row.method: row for row in summarise(scores, "mine", 20) if row.set_title == "A"}
    assert rows["Felzenszwalb, best scale"].first[0] == pytest.approx(0.5)  # of 0.5, 0.5 and 0.5
    assert rows["Felzenszwalb, oracle of three"].first[0] == pytest.approx((0.9 + 0.8) / 2)
    assert rows["Felzenszwalb, best scale"].recall50 == 1.0
    assert rows["box filled"].box == pytest.approx(0.7)
    assert rows["random weights"].first == [pytest.approx(0.1), None, None]


def test_a_set_without_prompts_has_no_means_of_prompts(scores):
    row = next(row for row in summarise(scores, "mine", 20) if row.set_title == "B")
    assert (row.first, row.box, row.clicks_needed) == ([None] * 3, None, None)
    assert (row.recall50, row.coverage) == (0.0, 0.0)


def test_clicks_that_were_not_made_are_not_reported(scores):
    row = summarise(scores, "mine", max_clicks=5)[0]
    assert row.clicks_needed[1] == 3.0
    short = [SceneScores("A", "a1", [an_object(1, [0.5, 0.6], [])], [])]
    assert summarise(short, "mine", max_clicks=2)[0].first == [0.5, None, None]


def test_the_table_has_a_cell_for_every_column(scores):
    lines = render_table(summarise(scores, "mine", 20), 20).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| A | mine | 2 | 2 | 0.705 / 0.805 |")


def test_the_report_is_written_twice(scores, tmp_path: Path):
    settings = {"checkpoint": "mine", "max_clicks": 20, "modes": ["prompts"]}
    table = write_report(tmp_path, summarise(scores, "mine", 20), scores, settings, ["A CRS was changed."])
    text = (tmp_path / "report.md").read_text()
    assert table in text
    assert "- A CRS was changed." in text
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["rows"][0]["recall50"] == 0.75
    assert [SceneScores.from_json(item) for item in content["scenes"]] == scores


def test_shares_are_counted_by_size():
    shares = share_by_size([(15 * 15, 0.9), (32 * 32, 0.5), (40 * 40, 0.49), (1000 * 1000, 1.0)])
    assert len(shares) == len(SIZE_NAMES)
    assert shares[[0, 2, 5]].tolist() == [1.0, 0.5, 1.0]
    assert np.isnan(shares[[1, 3, 4]]).all()


def test_cases_are_spread_over_scenes():
    ious = {"a": [0.99, 0.98, 0.97], "b": [0.5], "c": [0.1, 0.2]}
    scores = [
        SceneScores("A", name, [an_object(n, [iou], []) for n, iou in enumerate(values)], [])
        for name, values in ious.items()
    ]
    best, worst = choose_cases(scores)
    assert [(case.scene, case.iou) for case in best] == [("a", 0.99), ("b", 0.5), ("c", 0.2), ("a", 0.98)]
    assert [(case.scene, case.iou) for case in worst] == [("c", 0.1), ("b", 0.5), ("a", 0.97), ("c", 0.2)]


def test_the_picture_shows_cases(scores, make_scene, tmp_path: Path):
    scene = make_scene((5, 5, 20, 20, 1), (40, 40, 12, 12, 2), name="a1")
    shown = [SceneScores("A", "a1", [an_object(1, [0.9], []), an_object(2, [0.1], [])], [])]
    path = tmp_path / "report.png"
    draw_figure(path, shown, {"A": Dataset([Kept(scene)], ["square"])}, BrightAreas())
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    assert min(picture.shape[:2]) > 500
    red = (picture[..., 0] > 200) & (picture[..., 1] < 120) & (picture[..., 2] < 120)
    assert red.sum() > 50
