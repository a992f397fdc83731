"""The job of many prompts: what it keeps, what it answers, and what happens when it is begun anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import shapely

from server.errors import Cancelled
from server.jobs.prompts_task import Kept, PromptsTask, read_prompts_request
from server.jobs.records import JobRecord
from server.segmentation.many_prompts.answering import ManyPromptsRequest, ManyPromptsResult
from server.segmentation.many_prompts.placed import PlacedPrompt
from server.vectors.annotated import ObjectFacts

STORED = {
    "raster_id": "r",
    "prompts": [PlacedPrompt((3.5, 4.0), "roof").to_json(), PlacedPrompt((1.0, 2.0, 9.0, 8.0)).to_json()],
    "band_indexes": [4, 3, 2],
    "checkpoint": "embedded",
}
FOUND = [
    ObjectFacts(shapely.MultiPolygon([shapely.box(left, 0, left + 5, 5)]), source="prompt") for left in (0, 20, 40)
]


class Layer:
    """An annotation layer, and the engine that finds `FOUND`."""

    def __init__(self) -> None:
        self.objects: list[ObjectFacts] = []

    def keep(self, raster_id: str, objects: Sequence[ObjectFacts]) -> Kept:
        assert raster_id == "r"
        first = len(self.objects) + 1
        self.objects += objects
        return Kept(list(range(first, len(self.objects) + 1)), 7)

    def outlines(self, _raster_id: str) -> list[shapely.MultiPolygon]:
        return [item.outline for item in self.objects]

    def answer_many(self, _source: Path, _request: ManyPromptsRequest, _report: object) -> ManyPromptsResult:
        return ManyPromptsResult(FOUND, n_empty=1, n_duplicates=2)

    def run(self, report: object = lambda _share, _step: None) -> dict:
        task = PromptsTask(lambda _client, _raster: Path(), self.outlines, self.keep, self)  # type: ignore[arg-type]
        values = dict.fromkeys(JobRecord.__dataclass_fields__)
        record = JobRecord(**{**values, "client": "c", "raster": "scene.tif", "request": STORED})  # type: ignore[arg-type]
        return task(record, report)  # type: ignore[arg-type]


def test_a_stored_job_becomes_the_same_request():
    request = read_prompts_request(json.loads(json.dumps(STORED)))
    assert request == ManyPromptsRequest(
        [PlacedPrompt((3.5, 4.0), "roof"), PlacedPrompt((1.0, 2.0, 9.0, 8.0))], (4, 3, 2), "embedded"
    )


def test_the_result_counts_everything():
    layer = Layer()
    assert layer.run() == {
        "raster": "scene.tif",
        "n_prompts": 2,
        "n_objects": 3,
        "n_empty": 1,
        "n_duplicates": 2,
        "added": [1, 2, 3],
        "revision": 7,
    }
    assert layer.objects == FOUND


def test_begun_anew_after_its_last_step_it_adds_nothing_twice():
    layer = Layer()
    layer.run()
    again = layer.run()
    assert layer.objects == FOUND
    assert (again["added"], again["n_objects"], again["n_duplicates"]) == ([], 0, 5)


def test_cancelled_at_its_end_it_adds_nothing():
    layer = Layer()

    def report(_share: float, _step: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        layer.run(report)
    assert layer.objects == []
