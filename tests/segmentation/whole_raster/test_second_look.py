"""Objects that one window sees cut and the next does not see at all are clicked again in a window of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.known_objects import ArrayReader, KnowingGenerator, Labels
from benchmarks.seams import segment_array
from server.segmentation.mask_records import MaskRecord, Thresholds

SIZE = 64


class Forgetful(KnowingGenerator):
    """Sees nothing at the first look in windows that begin right of a column, and may not answer clicks."""

    def __init__(self, reader: ArrayReader, truth: Labels, last_col: int, *, answers_clicks: bool) -> None:
        super().__init__(reader, truth, SIZE)
        self.last_col = last_col
        self.reader = reader
        self.answers_clicks = answers_clicks
        self.shapes: list[tuple[int, int]] = []

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        return super().generate(rgb, tell) if self.reader.window.col <= self.last_col else []

    def generate_at(
        self, rgb: np.ndarray, points_xy: np.ndarray, thresholds: Thresholds, tell: Callable[[float], None]
    ) -> list[MaskRecord]:
        self.shapes.append((self.reader.window.width, rgb.shape[1]))
        return super().generate_at(rgb, points_xy, thresholds, tell) if self.answers_clicks else []


def segment(truth: Labels, last_col: int = 0, *, answers_clicks: bool = True) -> tuple[Labels, Forgetful]:
    reader = ArrayReader(np.zeros((*truth.shape, 3), np.uint8))
    generator = Forgetful(reader, truth, last_col, answers_clicks=answers_clicks)
    return segment_array(reader, generator, (truth.shape[0], truth.shape[1]), 0).labels, generator


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


def test_what_one_window_saw_whole_stands_without_an_answer() -> None:
    truth = np.zeros((60, 300), np.int32)
    truth[20:40, 10:50] = 1
    labels, _ = segment(truth, answers_clicks=False)
    assert (labels == truth).all()


def test_an_object_with_a_cut_edge_is_given_up_without_an_answer() -> None:
    truth = np.zeros((60, 300), np.int32)
    truth[20:40, 10:110] = 1
    labels, generator = segment(truth, answers_clicks=False)
    assert [width for width, _ in generator.shapes] == [64, 128, 256]
    assert not labels.any()


def test_an_object_too_large_to_look_at_again_stands_with_its_cut_edge() -> None:
    truth = np.zeros((60, 600), np.int32)
    truth[20:40, 10:590] = 1
    labels, generator = segment(truth, last_col=400)
    assert generator.shapes == []
    assert labels.max() == 1
    assert not labels[truth == 0].any()
    assert (labels > 0).sum() > 20 * 380
