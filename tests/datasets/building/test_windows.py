"""Every object is asked for in exactly one window, that holds it best."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.datasets.building.windows import LARGEST_SHARE, plan_looks
from server.datasets.detections.fitting import fit_detections
from server.datasets.detections.records import Box, Detection, corners_of

SIZE = (300, 200)


def targets_of(*boxes):
    detections = [Detection("a", "car", corners_of(Box(*box)), False, "") for box in boxes]
    return fit_detections(detections, SIZE).targets


def test_objects_go_to_the_window_whose_centre_is_nearest():
    # Windows of 64 start at 0, 47.2 … along x; both of the first two hold the box whole.
    (look,) = plan_looks(targets_of((50, 20, 60, 30)), SIZE, window_px=64, input_px=64)
    assert abs(look.window.col + 32 - 55) <= 24
    assert (look.shape, look.scale_xy) == ((64, 64), (1, 1))


def test_windows_without_objects_are_not_looked_at():
    looks = plan_looks(targets_of((1, 1, 9, 9), (2, 12, 9, 19), (290, 190, 299, 199)), SIZE, window_px=64, input_px=64)
    assert [len(look.targets) for look in looks] == [2, 1]


def test_objects_that_every_window_cuts_get_their_own():
    looks = plan_looks(targets_of((70, 40, 118, 88)), SIZE, window_px=64, input_px=64)
    assert looks[0].window == (62, 32, 64, 64)


def test_large_objects_are_seen_at_a_coarser_scale():
    (look,) = plan_looks(targets_of((50, 50, 200, 100)), SIZE, window_px=64, input_px=64)
    assert look.window == (25, 0, 200, 200)
    assert look.shape == (64, 64)
    assert look.scale_xy == (3.125, 3.125)


def test_an_object_as_large_as_the_image_is_seen_in_it():
    (look,) = plan_looks(targets_of((0, 0, 300, 200)), SIZE, window_px=64, input_px=64)
    assert look.window == (0, 0, 300, 200)
    assert look.shape == (43, 64)


sides = st.tuples(st.floats(0, 299), st.floats(0, 199), st.floats(1, 300), st.floats(1, 200))


@given(st.lists(sides, max_size=20), st.integers(32, 512))
def test_every_object_is_whole_in_one_window(corners, window_px):
    targets = targets_of(*((x, y, x + width, y + height) for x, y, width, height in corners))
    looks = plan_looks(targets, SIZE, window_px=window_px, input_px=64)
    assert sorted(target.id for look in looks for target in look.targets) == [target.id for target in targets]
    for look in looks:
        col, row, width, height = look.window
        assert col >= 0
        assert row >= 0
        assert col + width <= SIZE[0]
        assert row + height <= SIZE[1]
        assert max(look.shape) <= 64
        for target in look.targets:
            x0, y0, x1, y1 = target.box
            assert col <= x0
            assert row <= y0
            assert x1 <= col + width
            assert y1 <= row + height
            room = max(target.box.width, target.box.height) <= LARGEST_SHARE * max(width, height) + 1
            assert room or (width == SIZE[0] or height == SIZE[1])
