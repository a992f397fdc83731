"""Boxes become outlines where the network is sure of them, and unknown ground where it is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from server.segmentation.networks.embedded import EmbeddedSam, load_embedded_sam
from server.training.boxed_objects import outline_boxes
from server.training.labelled_images import UNKNOWN

EMBEDDED = Path(__file__).parents[2] / "ckpt" / "embedded.safetensors"


@pytest.fixture(scope="module")
def network() -> EmbeddedSam:
    return load_embedded_sam(EMBEDDED).eval()


@pytest.fixture(scope="module")
def lawn() -> np.ndarray:
    """A green picture, larger than a window, with one round white roof near its left border and one in the middle."""
    rgb = np.tile(np.array([70, 110, 60], np.uint8), (520, 700, 1))
    rgb = np.clip(rgb + np.random.default_rng(0).normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
    for centre in ((60, 80), (400, 260)):
        cv2.circle(rgb, centre, 20, (235, 235, 230), -1)
    return rgb


def test_outlines_follow_what_is_in_the_box(network: EmbeddedSam, lawn: np.ndarray) -> None:
    boxes = np.array([[40, 60, 81, 101], [380, 240, 421, 281]], np.float64)
    labels = outline_boxes(network, lawn, boxes).labels
    assert set(np.unique(labels)) == {0, 1, 2}
    for centre in ((60, 80), (400, 260)):
        disc = cv2.circle(np.zeros(labels.shape, np.uint8), centre, 20, 1, -1).astype(bool)
        (found,) = set(np.unique(labels[disc])) - {0}
        drawn = labels == found
        assert (drawn & disc).sum() > 0.85 * (drawn | disc).sum()


class Answers:
    """Stands in for the predictor: one mask for the box alone, another for the box with a click in it."""

    def __init__(self, alone: np.ndarray, clicked: np.ndarray) -> None:
        self.alone, self.clicked = alone, clicked

    def set_image(self, image: np.ndarray) -> None:
        assert image.shape[:2] == self.alone.shape

    def predict(self, *clicks: np.ndarray, **_: object) -> tuple[np.ndarray, None, None]:
        return (self.clicked if clicks else self.alone)[None], None, None


@pytest.mark.parametrize(
    ("alone", "clicked", "is_believed"),
    [
        ((10, 30), (10, 30), True),
        ((11, 30), (10, 28), True),
        ((10, 20), (10, 20), False),  # reaches half of the box
        ((10, 30), (10, 20), False),  # the click changes it
        ((5, 35), (5, 35), True),  # what is outside of the box is cut off
        ((50, 60), (50, 60), False),  # lies elsewhere
    ],
)
def test_doubtful_outlines_are_unknown(
    network: EmbeddedSam,
    monkeypatch: pytest.MonkeyPatch,
    alone: tuple[int, int],
    clicked: tuple[int, int],
    is_believed: bool,
) -> None:
    drawn = []
    for start, stop in (alone, clicked):
        mask = np.zeros((64, 64), bool)
        mask[10:30, start:stop] = True
        drawn.append(mask)
    monkeypatch.setattr("server.training.boxed_objects.SamPredictor", lambda _: Answers(*drawn))
    labels = outline_boxes(network, np.zeros((64, 64, 3), np.uint8), np.array([[10, 10, 30, 30]], np.float64)).labels
    assert set(np.unique(labels)) <= {0, 1 if is_believed else UNKNOWN}
    assert (labels[10:30, 11:30] == (1 if is_believed else UNKNOWN)).all()
    assert not labels[:, 30:].any()


def test_a_box_larger_than_a_window_is_unknown(network: EmbeddedSam, lawn: np.ndarray) -> None:
    labels = outline_boxes(network, lawn, np.array([[5, 5, 690, 510]], np.float64)).labels
    assert (labels[5:510, 5:690] == UNKNOWN).all()
    assert (labels[:5] == 0).all()


def test_no_boxes_no_objects(network: EmbeddedSam, lawn: np.ndarray) -> None:
    assert not outline_boxes(network, lawn, np.zeros((0, 4))).labels.any()
