"""Objects that one window sees cut and the next does not see at all are clicked again in a window of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.known_objects import ArrayReader, KnowingGenerator, Labels
from benchmarks.seams import segment_array
from server.segmentation.mask_records import MaskRecord, Thresholds

SIZE = 64
THRESHOLDS = Thresholds(0.5, 0.5)


class Forgetful(KnowingGenerator):
    """Sees nothing at the first look in windows that begin right of the first column, and may not answer clicks."""

    def __init__(self, reader: ArrayReader, truth: Labels, *, answers_clicks: bool = True) -> None:
        super().__init__(reader, truth, SIZE)
        self.reader = reader
        self.answers_clicks = answers_clicks
        self.shapes: list[tuple[int, int]] = []

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        return super().generate(rgb, tell) if self.reader.window.col == 0 else []

    def generate_at(
        self, rgb: np.ndarray, points_xy: np.ndarray, thresholds: Thresholds, tell: Callable[[float], None]
    ) -> list[MaskRecord]:
        self.shapes.append((self.reader.window.width, rgb.shape[1]))
        return super().generate_at(rgb, points_xy, thresholds, tell) if self.answers_clicks else []


def segment(truth: Labels, *, answers_clicks: bool = True) -> tuple[Labels, Forgetful]:
    reader = ArrayReader(np.zeros((*truth.shape, 3), np.uint8))
    generator = Forgetful(reader, truth, answers_clicks=answers_clicks)
    return segment_array(reader, generator, (truth.shape[0], truth.shape[1]), 0, THRESHOLDS).labels, generator


def test_an_object_around_a_seam_is_completed() -> None:
    truth = np.zeros((60, 300), np.int32)
    truth[20:40, 30:70] = 1
    labels, generator = segment(truth)
    assert (labels == truth).all()
    assert generator.shapes == [(64, 64)]


def test_an_object_larger_than_a_window_is_seen_from_farther_away() -> None:
    truth = np.zeros((60, 300), np.int32)
    truth[20:40, 5:120] = 1
    labels, generator = segment(truth)
    assert ((labels > 0) == (truth > 0)).mean() > 0.99
    assert labels.max() == 1
    assert generator.shapes == [(128, 64)]


def test_several_doubtful_objects_share_a_look() -> None:
    truth = np.zeros((60, 300), np.int32)
    for number in range(4):
        truth[5 + 14 * number : 15 + 14 * number, 36:66] = number + 1
    labels, generator = segment(truth)
    assert (labels == truth).all()
    assert len(generator.shapes) == 1


@pytest.mark.parametrize("length", [40, 280])
def test_without_an_answer_the_first_look_stands(length: int) -> None:
    truth = np.zeros((60, 300), np.int32)
    truth[20:40, 10 : 10 + length] = 1
    labels, _ = segment(truth, answers_clicks=False)
    assert labels.max() == 1
    assert not labels[truth == 0].any()
    assert (labels > 0).sum() >= 20 * 30
