"""Which prompts are taken, where they lie, and that a stored job keeps them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.segmentation.many_prompts.placed import MAX_PROMPTS, GivenPrompt, PlacedPrompt, place_prompts
from server.vectors.placement import Placement, read_placement

SIZE = (100, 80)
NOWHERE = Placement(None)


def place(*places, **options):
    return place_prompts([GivenPrompt(item) for item in places], "pixel", NOWHERE, SIZE, **options)


def test_points_and_boxes_become_what_the_network_is_asked():
    point, box = place([3, 4.5], [30, 40, 10, 20])
    assert (point.place, point.point_xy) == ((3, 4.5), (3, 4.5))
    np.testing.assert_array_equal(point.prompts.points_xy, [[3, 4.5]])
    assert point.prompts.labels.tolist() == [1]
    assert (box.place, box.point_xy) == ((10, 20, 30, 40), None)
    assert tuple(box.prompts.box) == (10, 20, 30, 40)
    assert len(box.prompts.points_xy) == 0


def test_boxes_are_cut_where_the_raster_ends():
    assert place([-5, 70, 10, 300])[0].place == (0, 70, 10, 80)


def test_places_on_the_map_become_pixels(make_raster):
    turned = Affine.translation(500_000, 4_400_000) @ Affine.rotation(25) @ Affine.scale(0.5, -0.5)
    with open_raster(make_raster(size=SIZE, transform=turned)) as raster:
        placement = read_placement(raster)
    lonlat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True).transform(*(turned @ (20.0, 30.0)))
    (prompt,) = place_prompts([GivenPrompt(lonlat, "roof")], "map", placement, SIZE)
    assert prompt.place == pytest.approx((20, 30), abs=1e-4)
    assert prompt.class_name == "roof"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ([100, 5], "not on the raster"),
        ([-0.1, 5], "not on the raster"),
        ([float("nan"), 5], "no number"),
        ([5, 5, 5, 20], "covers no part"),
        ([200, 5, 300, 20], "covers no part"),
        ([5, float("inf"), 5, 20], "no number"),
    ],
)
def test_the_sentence_names_the_prompt(wrong, reason):
    with pytest.raises(BadParameter) as caught:
        place([5, 5], [1, 1, 9, 9], wrong, field="file")
    assert caught.value.message.startswith("prompts[2]: ")
    assert reason in caught.value.message
    assert caught.value.field == "file"


def test_none_and_too_many_are_refused():
    with pytest.raises(BadParameter, match="0 prompts"):
        place()
    with pytest.raises(BadParameter, match="5,001 prompts"):
        place(*[[5, 5]] * (MAX_PROMPTS + 1))


def test_a_stored_job_keeps_every_digit():
    for prompt in (PlacedPrompt((1 / 3, 2e-7), "roof"), PlacedPrompt((0.1, 0.2, 70.3, 79.9))):
        assert PlacedPrompt.from_json(json.loads(json.dumps(prompt.to_json()))) == prompt
