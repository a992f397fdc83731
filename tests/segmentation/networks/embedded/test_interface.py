"""The package's own `SamPredictor` and `SamAutomaticMaskGenerator` on the weights that are shipped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from segment_anything import SamAutomaticMaskGenerator, SamPredictor

from server.segmentation.networks.embedded import EmbeddedSam
from server.training.evaluation.centre_clicks import score_centre_clicks
from server.training.labelled_images import FIRST_HELD_OUT_SEED, LabelledImage, object_ids, synthetic_images
from server.training.metrics.pixels import measure_iou
from server.training.prompts import centre_click


@pytest.fixture(scope="module")
def scene() -> LabelledImage:
    """Return a scene that training never saw."""
    return synthetic_images(1, 384, FIRST_HELD_OUT_SEED + 3, lambda _: None)[0]


@pytest.fixture(scope="module")
def predictor(trained: EmbeddedSam, scene: LabelledImage) -> SamPredictor:
    predictor = SamPredictor(trained)
    predictor.set_image(scene.rgb)
    return predictor


def largest_object(scene: LabelledImage) -> np.ndarray:
    return scene.labels == np.bincount(scene.labels[scene.labels > 0]).argmax()


def test_clicks_find_objects(trained: EmbeddedSam, scene: LabelledImage) -> None:
    scores = score_centre_clicks(trained, [scene])
    assert len(scores.chosen) >= 10
    assert scores.chosen.mean() > 0.35
    assert scores.best.mean() > 0.45


def test_click_box_and_mask_prompts_give_masks_of_the_images_size(
    predictor: SamPredictor, scene: LabelledImage
) -> None:
    wanted = largest_object(scene)
    rows, cols = np.nonzero(wanted)
    box = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    click = np.array([centre_click(wanted)])
    masks, quality, low_res = predictor.predict(click, np.array([1]))
    assert masks.shape == (3, 384, 384)
    assert low_res.shape == (3, 256, 256)
    again, _, _ = predictor.predict(
        click, np.array([1]), box=box, mask_input=low_res[quality.argmax()][None], multimask_output=False
    )
    assert again.shape == (1, 384, 384)
    assert measure_iou(again[0], wanted, np.ones_like(wanted)) > 0.4


def test_a_click_outside_takes_away_what_was_wrong(trained: EmbeddedSam, scene: LabelledImage) -> None:
    another = synthetic_images(1, 384, FIRST_HELD_OUT_SEED + 4, lambda _: None)[0]
    removed = [is_gone for image in (scene, another) for is_gone in correct_first_masks(trained, image)]
    assert len(removed) >= 40
    assert np.mean(removed) >= 0.9


def correct_first_masks(network: EmbeddedSam, scene: LabelledImage) -> Iterator[bool]:
    """Click on every object, then outside where the mask is most wrong; yield whether that place is left out then."""
    predictor = SamPredictor(network)
    predictor.set_image(scene.rgb)
    for number in object_ids(scene.labels):
        wanted = scene.labels == number
        inside = centre_click(wanted)
        first, quality, low_res = predictor.predict(np.array([inside]), np.array([1]))
        wrong = first[quality.argmax()] & ~wanted
        if wrong.sum() < 80:
            continue
        x, y = centre_click(wrong)
        second, _, _ = predictor.predict(
            np.array([inside, (x, y)]),
            np.array([1, 0]),
            mask_input=low_res[quality.argmax()][None],
            multimask_output=False,
        )
        yield not second[0][int(y), int(x)]


def test_images_that_are_not_square_work(trained: EmbeddedSam, scene: LabelledImage) -> None:
    predictor = SamPredictor(trained)
    predictor.set_image(np.ascontiguousarray(scene.rgb[:200, :300]))
    masks, _, _ = predictor.predict(np.array([[150, 100]]), np.array([1]))
    assert masks.shape == (3, 200, 300)
    assert masks[:, 90:110, 140:160].any()


def test_everything_mode_finds_objects_with_sams_default_thresholds(trained: EmbeddedSam, scene: LabelledImage) -> None:
    generator = SamAutomaticMaskGenerator(trained, points_per_side=8)
    records = generator.generate(scene.rgb)
    assert len(records) >= 3
    assert all(record["segmentation"].shape == (384, 384) for record in records)
