"""What a class is learned from: windows, their views, and what is wrong with data that cannot teach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from server.datasets.errors import BadDataset
from server.datasets.scenes import Dataset, LabelledScene
from server.rasters.windows import PixelWindow
from server.training.finetuning.areas import choose_held_out
from server.training.finetuning.prompts import draw_prompts
from server.training.finetuning.views import cut_view, draw_view
from server.training.finetuning.windows import (
    ClassWindow,
    class_objects,
    find_class_number,
    plan_training_windows,
    plan_validation_windows,
    thin_out,
)
from server.training.labelled_images import UNKNOWN, LabelledImage


@dataclass(frozen=True)
class Ready:
    """A scene that is there already."""

    scene: LabelledScene

    @property
    def name(self) -> str:
        return self.scene.name

    @property
    def group(self) -> str:
        return self.scene.group

    def read(self) -> LabelledScene:
        return self.scene


def make_dataset(*all_classes: np.ndarray, groups: str = "abcdefgh") -> Dataset:
    scenes = []
    for number, classes in enumerate(all_classes):
        rgb = np.full((*classes.shape, 3), 90, np.uint8)
        scenes.append(Ready(LabelledScene(f"{number}", rgb, np.zeros_like(classes), classes, groups[number])))
    return Dataset(scenes, ("water", "road"))


def test_windows_overlap_in_training_and_not_in_validation() -> None:
    classes = np.zeros((64, 150), np.int32)
    classes[:, 140:] = 2
    dataset = make_dataset(classes)
    training = plan_training_windows(dataset, 2, 64, lambda _: None)
    validation = plan_validation_windows(dataset, 2, 64, lambda _: None)
    assert [window.window.col for window in training] == [0, 43, 86]
    assert [window.n_class_px for window in training] == [0, 0, 640]
    assert len(validation) == 3
    covered = np.zeros(150, int)
    for window in training:
        covered[window.window.col : window.window.col + 64] += 1
    assert covered.min() == 1


def test_windows_of_which_nothing_is_known_are_left_out() -> None:
    classes = np.full((64, 128), UNKNOWN, np.int32)
    classes[0, 0] = 2
    assert len(plan_training_windows(make_dataset(classes), 2, 64, lambda _: None)) == 1


def test_data_that_cannot_teach_are_told() -> None:
    dataset = make_dataset(np.ones((32, 32), np.int32), np.ones((32, 32), np.int32))
    with pytest.raises(BadDataset, match='No pixel of the 2 training images belongs to "road"'):
        plan_training_windows(dataset, 2, 32, lambda _: None)
    with pytest.raises(BadDataset, match='No pixel of the 2 validation images belongs to "road"') as error:
        plan_validation_windows(dataset, 2, 32, lambda _: None)
    assert error.value.field == "validation"
    with pytest.raises(BadDataset, match='no class "roof"; their classes are water, road'):
        find_class_number(dataset, "roof")
    assert find_class_number(dataset, "road") == 2


def test_whole_areas_validate() -> None:
    empty = np.zeros((8, 8), np.int32)
    assert choose_held_out(make_dataset(*[empty] * 8, groups="aaaabbcd")) == ["d", "c"]
    assert choose_held_out(make_dataset(*[empty] * 3, groups="abb")) == ["b"]
    with pytest.raises(BadDataset, match="All 2 images belong to one area"):
        choose_held_out(make_dataset(empty, empty, groups="aa"))


def test_objects_of_the_class_keep_their_ids_and_others_get_some() -> None:
    classes = np.array([[2, 2, 0, 2], [0, 0, 0, 2], [1, UNKNOWN, 2, 0]], np.int32)
    objects = np.array([[7, 7, 0, 0], [0, 0, 0, 0], [3, UNKNOWN, 0, 0]], np.int32)
    scene = LabelledScene("one", np.zeros((3, 4, 3), np.uint8), objects, classes, "a")
    found = class_objects(scene, 2)
    assert found[0, 0] == found[0, 1] == 7
    assert found[0, 3] == found[1, 3] > 7
    assert found[2, 2] not in (0, 7, found[0, 3])
    assert (found[2, 0], found[2, 1], found[0, 2]) == (0, UNKNOWN, 0)


def test_fewer_windows_show_the_whole_range() -> None:
    windows = [ClassWindow(0, PixelWindow(number, 0, 1, 1), n_class_px=(number * 37) % 50) for number in range(50)]
    kept = thin_out(windows, 10)
    assert sorted(window.n_class_px for window in kept) == [4, 9, 14, 19, 24, 29, 34, 39, 44, 49]
    assert [window.window.col for window in kept] == sorted(window.window.col for window in kept)
    assert thin_out(windows, 100) == windows
    assert thin_out(windows, 1)[0].n_class_px == 49


@pytest.fixture
def image() -> LabelledImage:
    rng = np.random.default_rng(0)
    labels = np.zeros((100, 70), np.int32)
    labels[40:60] = 3
    rgb = rng.integers(0, 60, (100, 70, 3)).astype(np.uint8)
    rgb[40:60] += 150
    return LabelledImage(rgb, labels)


def test_small_windows_are_padded_with_the_unknown(image: LabelledImage) -> None:
    view = cut_view(image, PixelWindow(0, 20, 70, 80), 96)
    assert view.rgb.shape == (96, 96, 3)
    assert (view.rgb[:80, :70] == image.rgb[20:]).all()
    assert (view.labels[:80, :70] == image.labels[20:]).all()
    assert (view.labels[80:] == UNKNOWN).all()
    assert (view.labels[:, 70:] == UNKNOWN).all()


def test_drawn_views_keep_labels_on_their_pixels(image: LabelledImage) -> None:
    for seed in range(12):
        view = draw_view(image, PixelWindow(0, 18, 64, 64), 64, np.random.default_rng(seed))
        again = draw_view(image, PixelWindow(0, 18, 64, 64), 64, np.random.default_rng(seed))
        assert (view.rgb == again.rgb).all()
        assert view.labels.shape == (64, 64)
        assert set(np.unique(view.labels)) <= {UNKNOWN, 0, 3}
        bright = view.rgb.mean(axis=2)
        if (view.labels == 3).any() and (view.labels == 0).any():
            assert bright[view.labels == 3].mean() > bright[view.labels == 0].mean() + 15


def test_prompts_mean_what_they_touch(image: LabelledImage) -> None:
    kinds = set()
    for seed in range(30):
        prompts = draw_prompts(image.labels, 0.4, 2, np.random.default_rng(seed))
        kinds.add((prompts.is_class_mode, prompts.clicks is None))
        assert (prompts.masks[0] == (image.labels == 3)).all()
        assert len(prompts.masks) == (1 if prompts.is_class_mode else 2)
        if prompts.clicks is not None:
            x, y = prompts.clicks[1, 0].astype(int)
            assert image.labels[y, x] == 3
    assert kinds == {(True, True), (False, False), (False, True)}
    assert draw_prompts(np.zeros((8, 8), np.int32), 0.0, 2, np.random.default_rng(0)).is_class_mode
