"""Crops, augmentation and simulated prompts keep to what is labelled."""

from __future__ import annotations

import numpy as np
import pytest

from server.training.augmentation import augment
from server.training.batches import PROMPT_KINDS, draw_batch
from server.training.labelled_images import UNKNOWN, LabelledImage, Source, draw_crop, object_ids, synthetic_images
from server.training.prompts import centre_click, choose_objects, corrective_click, drawn_box, random_click


@pytest.fixture(scope="module")
def images() -> list[LabelledImage]:
    return synthetic_images(3, 160, 0, lambda _: None)


@pytest.fixture
def crescent() -> np.ndarray:
    rows, cols = np.indices((80, 80))
    return (np.hypot(rows - 40, cols - 40) < 35) & (np.hypot(rows - 40, cols - 55) > 35)


def test_crops_keep_image_and_labels_together(images: list[LabelledImage]) -> None:
    painted = [
        LabelledImage(np.repeat(image.labels[..., None] % 251, 3, 2).astype(np.uint8), image.labels) for image in images
    ]
    for seed in range(8):
        crop = draw_crop([Source(painted, 1.0)], 96, np.random.default_rng(seed))
        assert crop.rgb.shape == (96, 96, 3)
        assert len(object_ids(crop.labels)) > 0
        # Colours are means over borders and enlarged pixels; inside objects they are the id.
        assert np.median(np.abs(crop.rgb[..., 0].astype(int) - crop.labels % 251)) == 0


def test_anchors_lie_on_every_object(images: list[LabelledImage]) -> None:
    rows, cols = images[0].anchors.T
    assert images[0].labels[rows, cols].tolist() == object_ids(images[0].labels).tolist()


def test_augmentation_keeps_labels_or_pads(images: list[LabelledImage]) -> None:
    for seed in range(30):
        changed = augment(images[0], np.random.default_rng(seed))
        assert changed.rgb.dtype == np.uint8
        moved = changed.labels != images[0].labels
        assert (changed.labels[moved] == 0).all()
        assert (changed.rgb[moved] == (124, 116, 104)).all()


def test_centre_click_is_deep_inside_even_a_crescent(crescent: np.ndarray) -> None:
    x, y = centre_click(crescent)
    assert crescent[int(y), int(x)]
    assert x < 20


def test_random_clicks_are_inside(crescent: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    clicks = [random_click(crescent, rng) for _ in range(50)]
    assert all(crescent[int(y), int(x)] for x, y in clicks)
    assert len(set(clicks)) > 30


def test_box_is_around_the_mask(crescent: np.ndarray) -> None:
    boxes = np.array([drawn_box(crescent, np.random.default_rng(seed)) for seed in range(100)])
    rows, cols = np.nonzero(crescent)
    truth = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    assert np.abs(boxes.mean(axis=0) - truth).max() < 2
    assert (boxes.std(axis=0) > 0.5).all()
    assert 30 < (boxes == truth).all(axis=1).sum() < 70


def test_corrective_click_goes_to_the_largest_error(crescent: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    too_much = crescent.copy()
    too_much[60:, 60:] = True
    (x, y), label = corrective_click(crescent, too_much, rng)
    assert label == 0
    assert x >= 60
    assert y >= 60
    (x, y), label = corrective_click(crescent, np.zeros_like(crescent), rng)
    assert label == 1
    assert crescent[int(y), int(x)]
    (x, y), label = corrective_click(crescent, crescent, rng)
    assert label == 1
    assert crescent[int(y), int(x)]


def test_objects_are_not_chosen_twice_while_there_are_enough(images: list[LabelledImage]) -> None:
    ids = object_ids(images[0].labels)
    chosen = choose_objects(images[0].labels, ids, 4, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 4
    assert len(choose_objects(images[0].labels, ids[:2], 4, np.random.default_rng(0))) == 4


def test_batches_have_prompts_inside_their_objects(images: list[LabelledImage]) -> None:
    labels = images[1].labels.copy()
    labels[:40] = UNKNOWN
    kinds = set()
    for seed in range(60):
        sources = [Source([images[0], LabelledImage(images[1].rgb, labels)], 1.0)]
        batch = draw_batch(sources, 96, 2, 3, np.random.default_rng(seed))
        assert batch.masks.shape == (6, 96, 96)
        assert batch.known.shape == (2, 96, 96)
        assert batch.masks.any(axis=(1, 2)).all()
        assert not (batch.masks & ~np.repeat(batch.known, 3, axis=0)).any()
        kinds.add((batch.clicks is None, batch.boxes is None))
        if batch.clicks is not None and batch.click_labels is not None:
            for mask, clicks, click_labels in zip(batch.masks, batch.clicks, batch.click_labels, strict=True):
                inside = mask[clicks[:, 1].astype(int), clicks[:, 0].astype(int)]
                assert (inside[click_labels == 1]).all()
                assert not (inside[click_labels == 0]).any()
    assert len(kinds) == 3
    assert sum(PROMPT_KINDS.values()) == pytest.approx(1.0)
