"""Cosines, bias, windows and head against slow code, and a planted scene that must come out right."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from server.errors import BadParameter
from server.vocabulary.backbones import DenseFeatures
from server.vocabulary.head import choose_classes, find_probabilities
from server.vocabulary.logits import Looker, Queries, compare
from server.vocabulary.settings import VocabularySettings
from server.vocabulary.upsampler import SharedStageUpsampler
from server.vocabulary.windows import average_windows, plan_sliding, resize_long_side
from tests.vocabulary import reference
from tests.vocabulary.reference import relative_error

STRIDE = 4


class PlantedBackbone:
    """Shows the feature of the colour in the middle of each cell; colours are numbers of features."""

    n_channels, stride = 8, STRIDE
    max_size: int | None = 64

    def __init__(self, features: torch.Tensor, shared: torch.Tensor) -> None:
        """`features` (N, C), one per grey value; `shared` (C,) is added to every cell and is the whole's feature."""
        self.features, self.shared = features, shared

    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        numbers = torch.from_numpy(rgb[..., 0].astype(np.int64))
        rows, cols = (-(-side // STRIDE) * STRIDE for side in numbers.shape)
        padded = torch.zeros(rows, cols, dtype=torch.int64)
        padded[: numbers.shape[0], : numbers.shape[1]] = numbers
        patches = (self.features[padded[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]] + self.shared).movedim(-1, 0)
        picture = (padded.float() / 2)[None].expand(3, -1, -1)
        return DenseFeatures(patches, self.shared, picture, 0, 0)


def unit_rows(n: int, seed: int = 0) -> torch.Tensor:
    made = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(made.T)[0].T.contiguous() if n <= 8 else functional.normalize(made, dim=1)


def test_logits_are_what_the_formulas_say() -> None:
    generator = torch.Generator().manual_seed(3)
    patches, whole = torch.randn(8, 3, 4, generator=generator), torch.randn(8, generator=generator)
    queries = unit_rows(5)
    seen = DenseFeatures(patches, whole, torch.zeros(3, 3, 4), 0, 0)
    found = compare(seen, Queries(queries, (0, 1, 2, 3, 4)), -0.3)
    expected = reference.cosines(patches.double().numpy(), whole.double().numpy(), queries.double().numpy(), -0.3)
    assert relative_error(found, expected) < 1e-5


def test_features_are_upsampled_before_they_are_normalised() -> None:
    generator = torch.Generator().manual_seed(4)
    upsampler = SharedStageUpsampler(8, n_stages=2).eval()
    patches, picture = torch.randn(8, 3, 4, generator=generator), torch.randn(3, 12, 16, generator=generator)
    whole, queries = torch.randn(8, generator=generator), unit_rows(3)
    with torch.inference_mode():
        found = compare(DenseFeatures(patches, whole, picture, 0, 0), Queries(queries, (0, 1, 2)), -0.3, upsampler)
        fine = upsampler(patches[None], picture[None])[0]
    expected = reference.cosines(fine.double().numpy(), whole.double().numpy(), queries.double().numpy(), -0.3)
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("shape", [(33, 70), (20, 9), (64, 64)])
def test_windows_are_averaged_by_how_many_hold_a_pixel(shape: tuple[int, int]) -> None:
    windows = plan_sliding(*shape, size=24, stride=12)
    say = {window: float(number) for number, window in enumerate(windows)}
    found = average_windows(shape, windows, lambda window: torch.full((2, window.height, window.width), say[window]))
    for y in range(0, shape[0], 5):
        for x in range(0, shape[1], 5):
            holding = [
                number
                for window, number in say.items()
                if 0 <= y - window.row < window.height and 0 <= x - window.col < window.width
            ]
            assert float(found[1, y, x]) == pytest.approx(np.mean(holding))


@settings(max_examples=60)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 50), st.data())
def test_windows_cover_every_pixel(height: int, width: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    if stride < 4 < size:
        return  # thousands of windows that show nothing new
    covered = np.zeros((height, width), int)
    windows = plan_sliding(height, width, size=size, stride=stride)
    for col, row, wide, high in windows:
        assert (wide, high) == (min(size, width), min(size, height))
        assert 0 <= col <= width - wide
        assert 0 <= row <= height - high
        covered[row : row + high, col : col + wide] += 1
    assert covered.min() >= 1
    assert len(set(windows)) == len(windows)


def test_a_square_of_448_has_nine_windows() -> None:
    windows = plan_sliding(448, 448, size=224, stride=112)
    assert sorted({window.col for window in windows}) == [0, 112, 224]
    assert len(windows) == 9
    assert [window.col for window in plan_sliding(224, 300, size=224, stride=112)] == [0, 76]


def test_the_long_side_is_resized() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (50, 100, 3)).astype(np.uint8)
    assert resize_long_side(rgb, 448).shape == (224, 448, 3)
    assert resize_long_side(rgb.transpose(1, 0, 2), 33).shape == (33, 17, 3)
    assert resize_long_side(rgb, 100) is rgb
    np.testing.assert_array_equal(resize_long_side(rgb, 50), cv2.resize(rgb, (50, 25)))


@pytest.mark.parametrize("threshold", [0.0, 0.35, 1.0])
def test_the_head_is_what_the_formulas_say(threshold: float) -> None:
    logits = torch.randn(5, 6, 7, generator=torch.Generator().manual_seed(0)) * 0.03
    class_of = (0, 1, 1, 2, 0)
    settings = VocabularySettings(prob_thd=threshold, bg_idx=2)
    found = choose_classes(find_probabilities(logits, class_of, settings.logit_scale), settings)
    classes, best = reference.decide(logits.double().numpy(), list(class_of), 50, threshold, 2)
    np.testing.assert_array_equal(found.classes, classes)
    assert relative_error(found.probability, best) < 1e-5


def test_every_class_needs_a_query() -> None:
    with pytest.raises(ValueError, match="class 1 has no query"):
        find_probabilities(torch.zeros(2, 1, 1), (0, 2))


def plant_scene() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """A scene of four grey values in squares of 16 pixels, and the same as a picture."""
    truth = np.kron(np.arange(20).reshape(4, 5) * 7 % 4, np.ones((16, 16), int))
    return truth, np.repeat(truth[..., None], 3, axis=2).astype(np.uint8)


def look(backbone: PlantedBackbone, queries: torch.Tensor, class_of: tuple[int, ...], **knobs: float) -> torch.Tensor:
    settings = VocabularySettings(long_side=None, window=32, stride=16, **knobs)  # type: ignore[arg-type]
    return Looker(backbone, Queries(queries, class_of), settings).find(plant_scene()[1])


def test_a_planted_scene_is_found() -> None:
    features, truth = unit_rows(4), plant_scene()[0]
    logits = look(PlantedBackbone(features, torch.full((8,), 1e-6)), features, (0, 1, 2, 3), global_bias=0.0)
    found = choose_classes(find_probabilities(logits, (0, 1, 2, 3)), VocabularySettings())
    assert (found.classes == truth).mean() > 0.98  # only rims of squares are shared by cells
    assert found.probability[8, 8] > 0.99


def test_synonyms_speak_for_their_class() -> None:
    features, truth = unit_rows(4), plant_scene()[0]
    logits = look(PlantedBackbone(features, torch.full((8,), 1e-6)), features, (0, 1, 0, 1), global_bias=0.0)
    found = choose_classes(find_probabilities(logits, (0, 1, 0, 1)), VocabularySettings())
    assert (found.classes == truth % 2).mean() > 0.98


def test_the_global_bias_takes_away_what_all_pixels_share() -> None:
    """Every pixel carries a feature that resembles query 0, so without correction all is class 0."""
    features, truth = unit_rows(4), plant_scene()[0]
    backbone = PlantedBackbone(features * 0.5, features[0] * 3)
    biased = look(backbone, features, (0, 1, 2, 3), global_bias=0.0)
    fixed = look(backbone, features, (0, 1, 2, 3), global_bias=-0.95)
    assert (biased.argmax(0).numpy() == 0).all()
    assert (fixed.argmax(0).numpy() == truth).mean() > 0.98


def test_what_fits_no_query_becomes_background() -> None:
    features, truth = unit_rows(8), plant_scene()[0]
    queries = features[[7, 1, 2]]
    logits = look(PlantedBackbone(features, torch.full((8,), 1e-6)), queries, (0, 1, 2), global_bias=0.0)
    probabilities = find_probabilities(logits, (0, 1, 2))
    inside = np.zeros((16, 16), bool)
    inside[3:13, 3:13] = True  # between squares of different features cells are mixtures
    inside = np.tile(inside, (4, 5))
    expected = np.where(np.isin(truth, [1, 2]), truth, 0)[inside]
    with_threshold = choose_classes(probabilities, VocabularySettings(prob_thd=0.6, bg_idx=0)).classes
    np.testing.assert_array_equal(with_threshold[inside], expected)
    other_background = choose_classes(probabilities, VocabularySettings(prob_thd=0.6, bg_idx=2)).classes
    np.testing.assert_array_equal(other_background[inside], np.where(expected == 0, 2, expected))


def test_a_picture_of_any_size_gets_logits_of_its_size() -> None:
    backbone = PlantedBackbone(unit_rows(4), torch.ones(8))
    queries = Queries(unit_rows(2), (0, 1))
    for shape in ((3, 5), (17, 90), (64, 31)):
        for long_side in (None, 40):
            settings = VocabularySettings(long_side=long_side, window=24, stride=12)
            logits = Looker(backbone, queries, settings).find(np.zeros((*shape, 3), np.uint8))
            assert logits.shape == (2, *shape)
            assert torch.isfinite(logits).all()


def test_a_window_that_the_network_cannot_take_is_refused() -> None:
    backbone = PlantedBackbone(unit_rows(4), torch.ones(8))
    with pytest.raises(BadParameter, match="takes 64 at most"):
        Looker(backbone, Queries(unit_rows(2), (0, 1)), VocabularySettings())


@pytest.mark.parametrize(
    "knobs",
    [
        {"window": 0},
        {"stride": 300},
        {"long_side": -1},
        {"prob_thd": 1.5},
        {"global_bias": float("nan")},
        {"bg_idx": -1},
    ],
)
def test_knobs_have_limits(knobs: dict[str, float]) -> None:
    with pytest.raises(BadParameter, match=next(iter(knobs))):
        VocabularySettings(**knobs)  # type: ignore[arg-type]
