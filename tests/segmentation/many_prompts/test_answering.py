"""Many prompts over one raster: every object once, counted, in the order asked, with few windows encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely

from server.errors import Cancelled, TooLarge
from server.segmentation.many_prompts import answering
from server.segmentation.many_prompts.answering import ManyPromptsRequest, ManyPromptsResult, answer_many
from server.segmentation.many_prompts.ordering import order_by_look
from server.segmentation.many_prompts.placed import PlacedPrompt
from server.segmentation.progress import Report
from server.segmentation.prompting.looks import Looks
from tests.segmentation.prompting.bright_areas import BrightAreas, draw_spots

MakeRaster = Callable[..., Path]
# On a raster of 400 x 300 pixels, which a network of 64 sees window by window.
SPOTS = [(20, 20, 10, 10), (350, 20, 12, 9), (60, 250, 8, 14), (200, 150, 20, 20)]
CLICKS = [(col + width / 2, row + height / 2) for col, row, width, height in SPOTS]


@pytest.fixture
def scene(make_raster: MakeRaster) -> Path:
    return make_raster(bands=draw_spots((400, 300), *SPOTS), crs=None)


def answer(
    source: Path,
    places: Sequence[tuple[float, ...]],
    network: BrightAreas | None = None,
    report: Report = lambda _share, _step: None,
) -> ManyPromptsResult:
    prompts = [PlacedPrompt(place, f"class {number}") for number, place in enumerate(places)]
    request = ManyPromptsRequest(prompts, (1, 2, 3), "tiny")
    return answer_many(source, request, lambda _checkpoint, _check: network or BrightAreas(), report)


def boxes_of(result: ManyPromptsResult) -> list[tuple[float, ...]]:
    found = []
    for item in result.objects:
        left, top, right, bottom = item.outline.bounds
        assert item.outline.area == (right - left) * (bottom - top)
        found.append((left, top, right - left, bottom - top))
    return found


def test_points_and_boxes_find_their_objects_in_the_order_asked(scene: Path) -> None:
    col, row, width, height = SPOTS[2]
    places = [CLICKS[3], CLICKS[0], (col - 2, row - 2, col + width + 2, row + height + 2), CLICKS[1]]
    result = answer(scene, places)
    assert boxes_of(result) == [SPOTS[3], SPOTS[0], SPOTS[2], SPOTS[1]]
    assert (result.n_empty, result.n_duplicates) == (0, 0)
    facts = result.objects[0]
    assert (facts.source, facts.checkpoint, facts.class_name) == ("prompt", "tiny", "class 0")
    assert facts.predicted_iou == 0.9
    assert (facts.point_xy, result.objects[2].point_xy) == (CLICKS[3], None)


def test_prompts_without_an_object_are_counted(make_raster: MakeRaster) -> None:
    bands = draw_spots((200, 100), (20, 20, 10, 10))
    bands[:, :, 100:] = 0
    source = make_raster(bands=bands, nodata=0, crs=None)
    dark, no_data = (60, 60, 70, 70), (150, 50)
    result = answer(source, [dark, (25, 25), no_data])
    assert boxes_of(result) == [(20, 20, 10, 10)]
    assert result.n_empty == 2


def test_two_prompts_of_one_object_make_one(scene: Path) -> None:
    col, row, width, height = SPOTS[3]
    again = [(col + 1, row + 1), (col, row, col + width, row + height)]
    result = answer(scene, [CLICKS[3], *again, CLICKS[0]])
    assert boxes_of(result) == [SPOTS[3], SPOTS[0]]
    assert (result.n_empty, result.n_duplicates) == (0, 2)
    assert result.objects[0].class_name == "class 0"


def test_neighbours_are_asked_in_one_window(scene: Path) -> None:
    """However mixed they come, windows change only as often as there are windows."""
    rng = np.random.default_rng(0)
    places = [(x + dx, y + dy) for x, y in CLICKS for dx, dy in rng.uniform(-3, 3, (25, 2))]
    mixed = [places[index] for index in rng.permutation(len(places))]
    network = BrightAreas()
    result = answer(scene, mixed, network)
    assert len(network.seen) == len(mixed)
    n_changes = sum(not np.shares_memory(first, second) for first, second in pairwise(network.seen))
    assert n_changes < 8
    assert (len(result.objects), result.n_duplicates) == (4, 96)


def test_rows_of_windows_run_there_and_back() -> None:
    looks = Looks(1000, 1000, 64)
    prompts = [PlacedPrompt((x, y)) for y in (100.0, 132.0) for x in (100.0, 500.0, 900.0)]
    assert order_by_look(prompts, looks) == [0, 1, 2, 5, 4, 3]


def test_it_stops_between_two_prompts(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.segmentation.progress.CHECK_INTERVAL_S", 0)
    network, told = BrightAreas(), []

    def report(share: float, step: str) -> None:
        told.append((share, step))
        if len(network.seen) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        answer(scene, CLICKS, network, report)
    assert len(network.seen) == 2
    assert told == sorted(told, key=lambda item: item[0])
    assert told[-1] == (pytest.approx(0.49), "outlining objects")


def test_ragged_masks_count_as_empty(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_VERTICES", 4)
    assert answer(scene, CLICKS).n_empty == 4


def test_more_corners_than_a_layer_holds_are_refused(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_TOTAL_VERTICES", 9)
    with pytest.raises(TooLarge, match="corners"):
        answer(scene, CLICKS)


def test_a_large_object_is_seen_whole(make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((400, 400), (158, 150, 50, 20)), crs=None)
    (found,) = answer(source, [(161, 160)]).objects
    assert found.outline.equals(shapely.box(158, 150, 208, 170))
