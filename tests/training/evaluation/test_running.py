"""Scenes are measured one by one, kept as lines, and taken up again after an interruption."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.datasets.scenes import Dataset, LabelledScene
from server.errors import BadParameter
from server.training.evaluation.records import RECORDS_FILE, ScoreRecords
from server.training.evaluation.running import evaluate_datasets
from server.training.evaluation.scene_scores import Contestants, Effort, SceneScores, score_scene
from tests.segmentation.prompting.bright_areas import BrightAreas
from tests.training.evaluation.conftest import EveryBrightArea

EFFORT = Effort(max_clicks=3, min_area_px=20, has_baselines=True)


@dataclass(frozen=True)
class Kept:
    scene: LabelledScene
    group: str = "area"

    @property
    def name(self) -> str:
        return self.scene.name

    def read(self) -> LabelledScene:
        return self.scene


@pytest.fixture
def contestants() -> Contestants:
    return Contestants(BrightAreas(), EveryBrightArea(), untrained=BrightAreas())


@pytest.fixture
def datasets(make_scene) -> dict[str, Dataset]:
    scenes = [make_scene((5, 5 * n, 10, 10, 1), (30, 30, 12, 12, 2), name=f"scene {n}") for n in range(1, 4)]
    return {"squares": Dataset([Kept(scene) for scene in scenes], ["square"])}


def test_a_scene_is_measured_by_every_contestant(make_scene, contestants):
    told = []
    scores = score_scene("squares", make_scene((5, 5, 10, 10, 1)), contestants, EFFORT, lambda: told.append(1))
    assert len(told) == 2
    (found,) = scores.objects
    assert (found.area_px, found.filled_box, found.prompts.first, found.untrained.first) == (100, 1.0, [1.0], [1.0])
    assert len(found.felzenszwalb) == 3
    assert scores.windows[0].best_ious == [1.0]


def test_modes_and_baselines_may_be_left_out(make_scene, contestants):
    scene, nothing = make_scene((5, 5, 10, 10, 1)), Contestants(contestants.network, contestants.generator, None)
    prompts_only = score_scene("s", scene, nothing, Effort(("prompts",), max_clicks=1), lambda: None)
    assert prompts_only.windows == []
    assert prompts_only.objects[0].filled_box is prompts_only.objects[0].untrained is None
    assert score_scene("s", scene, nothing, Effort(("everything",)), lambda: None).objects == []


def test_scores_survive_a_line_of_json(make_scene, contestants):
    scores = score_scene("squares", make_scene((5, 5, 10, 10, 1)), contestants, EFFORT, lambda: None)
    assert SceneScores.from_json(json.loads(json.dumps(scores.to_json()))) == scores


def test_an_interrupted_evaluation_is_taken_up(datasets, contestants, tmp_path: Path):
    def interrupt(step: str, n_finished: int) -> None:
        if n_finished == 2:
            raise KeyboardInterrupt

    settings = {"max_clicks": 3}
    with pytest.raises(KeyboardInterrupt):
        evaluate_datasets(datasets, contestants, EFFORT, ScoreRecords(tmp_path, settings), interrupt)
    path = tmp_path / RECORDS_FILE
    assert len(path.read_text().splitlines()) == 3
    with path.open("a") as file:
        file.write('{"set_title": "squ')  # a crash within a line
    records = ScoreRecords(tmp_path, settings)
    steps: list[tuple[str, int]] = []
    evaluate_datasets(datasets, contestants, EFFORT, records, lambda *step: steps.append(step))
    assert set(steps) == {("squares: scene 3", 2)}
    assert [item.scene for item in records.scores] == ["scene 1", "scene 2", "scene 3"]
    assert len(ScoreRecords(tmp_path, settings).scores) == 3


def test_scores_of_other_settings_are_not_mixed(tmp_path: Path):
    ScoreRecords(tmp_path, {"max_clicks": 3})
    with pytest.raises(BadParameter, match=r"measured otherwise.*choose another folder"):
        ScoreRecords(tmp_path, {"max_clicks": 4})


def test_without_a_folder_nothing_is_written(datasets, contestants, tmp_path: Path):
    records = ScoreRecords(None, {})
    evaluate_datasets(datasets, contestants, Effort(("everything",), min_area_px=20), records, lambda *_: None)
    assert len(records.scores) == 3
    assert not any(tmp_path.iterdir())
