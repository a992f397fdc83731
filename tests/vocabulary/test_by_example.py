"""Classes by example: descriptions of places, what is learnt from a few, and whole rasters with a real encoder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
import torch
from numpy.typing import NDArray

from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.embedded import build_embedded_sam
from server.vocabulary.backbones import DenseFeatures
from server.vocabulary.by_example import (
    MAX_PER_CLASS,
    ClassExample,
    make_example_looker,
    read_examples,
    settings_by_example,
    shrink_marks,
)
from server.vocabulary.classifying import ClassifyRequest, classify_raster
from server.vocabulary.cues import N_TEXTURES, Cue, describe_texture, read_cues
from server.vocabulary.encoder_backbone import EncoderBackbone
from server.vocabulary.example_kernels import fit_kernels

NAMES = ("grass", "sand")
REQUEST = ClassifyRequest((1, 2, 3), NAMES, ((20, 160, 40), (230, 200, 120)))
EXAMPLES = [
    ClassExample(0, shapely.Point(30.5, 30.5)),
    ClassExample(0, shapely.Point(20.5, 90.5)),
    ClassExample(1, shapely.Point(100.5, 40.5)),
    ClassExample(1, shapely.box(108, 98, 112, 102)),
]


@pytest.fixture(scope="module")
def encoder() -> EncoderBackbone:
    torch.manual_seed(0)
    return EncoderBackbone(CachingPredictor(build_embedded_sam(128).eval(), "test", EmbeddingCache(0)), nullcontext)


def striped(shape: tuple[int, int] = (128, 128)) -> NDArray[np.uint8]:
    """Bands (3, H, W): the same mean grey everywhere, smooth to the left and striped to the right."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    grey = np.where(cols < shape[1] // 2, 120, np.where(rows // 2 % 2, 90, 150))
    noise = np.random.default_rng(0).integers(-4, 4, (3, *shape))
    return np.clip(grey + noise, 1, 255).astype(np.uint8)


def test_textures_are_means_and_deviations() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)
    found = describe_texture(rgb)
    assert found.shape == (40, 30, N_TEXTURES)
    lab = found[..., :3]
    square = lab[18:23, 13:18].reshape(-1, 3)
    np.testing.assert_allclose(found[20, 15, 3:6], square.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found[20, 15, 6:9], square.std(0), rtol=1e-3)


def test_a_cue_is_read_between_its_cells() -> None:
    values = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    cue = Cue(values, (12, 16), 1, 2)
    fine = torch.nn.functional.interpolate(values[None], size=(12, 16), mode="bilinear")[0]
    rows, cols = np.array([0, 4, 10]), np.array([0, 9, 13])
    torch.testing.assert_close(cue.sample(rows, cols), fine[:, rows + 1, cols + 2].mT, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(128, 128), (64, 100), (17, 9)])
def test_an_encoder_sees_whole_cells(encoder: EncoderBackbone, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    seen = encoder.encode(rgb)
    rows, cols = (-(-side // 8) for side in shape)
    assert (encoder.stride, encoder.max_size, encoder.n_channels) == (8, 128, 256)
    assert (seen.patches.shape, seen.picture.shape) == ((256, rows, cols), (3, rows * 8, cols * 8))
    assert not seen.patches.is_inference()
    pixel = (rgb[3, 4] - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    assert seen.picture[:, 3, 4].numpy() == pytest.approx(pixel, rel=1e-4)
    texture, around, features, features_around = read_cues(encoder, rgb)
    assert texture.values.shape == (N_TEXTURES, *shape)
    assert len(around.values) == N_TEXTURES
    assert torch.equal(features.values, seen.patches)
    assert features_around.values.shape == seen.patches.shape


def test_windows_by_example_are_as_large_as_the_encoder_takes(encoder: EncoderBackbone) -> None:
    settings = settings_by_example(encoder)
    assert (settings.window, settings.stride, settings.long_side, settings.global_bias) == (128, 96, None, 0.0)


def test_scores_are_those_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    scene = [torch.randn(50, 3, generator=generator) * 5, torch.randn(50, 2, generator=generator)]
    numbers = torch.tensor([0, 0, 1, 2])
    examples = [values[:4] for values in scene]
    learnt = fit_kernels(examples, numbers, scene, 3, ridge=0.2)

    def likeness(number: int, places: torch.Tensor) -> np.ndarray:
        values, own, far = (part.numpy() for part in (scene[number], examples[number], places))
        mean, deviation = values.mean(0), values.std(0)
        values, own, far = (np.clip((part - mean) / deviation, -4, 4) for part in (values, own, far))
        square = ((values[:, None] - own) ** 2).sum(2)
        return np.exp(-((far[:, None] - own) ** 2).sum(2) / np.sort(square.ravel())[(square.size - 1) // 2])

    own = np.mean([likeness(number, examples[number]) for number in (0, 1)], axis=0)
    doubt = 0.2 * np.array([2, 2, 1, 1]) * 3 / 4
    weights = np.linalg.solve(own + np.diag(doubt), np.eye(3)[numbers] * 2 - 1)
    for number in (0, 1):
        expected = likeness(number, scene[number]) @ weights / 2
        found = learnt.score(number, scene[number].mT.reshape(-1, 5, 10)).flatten(1).mT
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_a_flat_description_says_nothing_and_breaks_nothing() -> None:
    scene = [torch.ones(20, 4), torch.arange(20.0)[:, None]]
    learnt = fit_kernels([part[[0, 19]] for part in scene], torch.tensor([0, 1]), scene, 2)
    scores = learnt.score(0, torch.ones(4, 1, 20)) + learnt.score(1, torch.arange(20.0).reshape(1, 1, 20))
    assert torch.isfinite(scores).all()
    assert (scores.argmax(0)[0, :8] == 0).all()
    assert (scores.argmax(0)[0, 12:] == 1).all()


def test_a_few_clicks_find_what_only_texture_tells(
    make_raster: Callable[..., Path], tmp_path: Path, encoder: EncoderBackbone
) -> None:
    source = make_raster(bands=striped())
    result = classify_raster(
        source,
        tmp_path,
        REQUEST,
        lambda _check: make_example_looker(source, EXAMPLES, REQUEST, encoder),
        lambda *_: None,
    )
    assert sum(result.n_pixels) == 128 * 128
    with rasterio.open(tmp_path / "classes.tif") as classes:
        truth = (np.arange(128) >= 64)[None].repeat(128, 0) + 1
        assert (classes.read(1) == truth).mean() > 0.93


def test_examples_of_several_windows_are_seen_once(make_raster: Callable[..., Path]) -> None:
    source = make_raster(bands=striped((150, 300)))
    painted = shapely.box(20, 20, 280, 130)
    found = list(read_examples(source, [ClassExample(0, painted)], REQUEST, 128))
    assert sum(int(example.marks.sum()) for example in found) == painted.area
    assert all(example.patch.rgb.shape == (128, 128, 3) for example in found)


def test_a_click_stays_where_the_network_sees_a_coarser_picture() -> None:
    marks = np.zeros((90, 60), np.uint8)
    marks[[1, 44, 89], [59, 31, 0]] = (1, 2, 3)
    shrunk = shrink_marks(marks, (30, 20))
    assert [shrunk[0, 19], shrunk[14, 10], shrunk[29, 0]] == [1, 2, 3]
    assert (shrunk > 0).sum() == 3


def test_large_polygons_are_thinned_out(make_raster: Callable[..., Path], encoder: EncoderBackbone) -> None:
    source = make_raster(bands=striped())
    painted = [ClassExample(0, shapely.box(2, 2, 60, 120)), ClassExample(1, shapely.box(70, 2, 120, 120))]
    looker = make_example_looker(source, painted, REQUEST, encoder)
    assert len(looker.kernels.weights) == 2 * MAX_PER_CLASS
    assert looker.class_of == (0, 1)


def test_the_bias_takes_away_what_a_window_has_in_common(
    make_raster: Callable[..., Path], encoder: EncoderBackbone
) -> None:
    source = make_raster(bands=striped())
    looker = make_example_looker(source, EXAMPLES, REQUEST, encoder)
    patch = np.ascontiguousarray(striped().transpose(1, 2, 0))
    plain = looker.look(patch)
    biased = replace(looker, settings=replace(looker.settings, global_bias=-1.0)).look(patch)
    assert plain.shape == (2, 128, 128)
    torch.testing.assert_close(biased, plain - plain.mean((1, 2), keepdim=True))


def test_wrong_examples_are_refused(make_raster: Callable[..., Path], encoder: EncoderBackbone) -> None:
    source = make_raster(bands=striped())

    def make(*examples: ClassExample) -> None:
        make_example_looker(source, examples, REQUEST, encoder)

    with pytest.raises(BadParameter, match="No example was given of: sand"):
        make(EXAMPLES[0])
    with pytest.raises(BadParameter, match="class number 2; the 2 classes are 0 to 1"):
        make(ClassExample(2, shapely.Point(3, 3)))
    with pytest.raises(BadParameter, match=r"column 300, row 5 .* 128 x 128"):
        make(*EXAMPLES, ClassExample(0, shapely.Point(300.5, 5.5)))


class Silent:
    """A backbone whose features say nothing, padded on all sides."""

    n_channels, stride = 4, 16
    max_size: int | None = None

    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        rows, cols = (-(-side // 16) + 1 for side in rgb.shape[:2])
        return DenseFeatures(torch.zeros(4, rows, cols), torch.zeros(4), torch.zeros(3, rows * 16, cols * 16), 7, 9)


def test_clicks_on_pixels_without_data_count_for_nothing(make_raster: Callable[..., Path]) -> None:
    bands = striped()
    bands[:, :, :40] = 0
    source = make_raster(bands=bands, nodata=0)
    with pytest.raises(BadParameter, match="grass"):
        make_example_looker(source, EXAMPLES, REQUEST, Silent())
    with_data = [*EXAMPLES, ClassExample(0, shapely.Point(50, 50))]
    looker = make_example_looker(
        source,
        with_data,
        ClassifyRequest(REQUEST.band_indexes, NAMES, REQUEST.colours, PixelWindow(0, 0, 60, 60)),
        Silent(),
    )
    assert looker.look(np.ascontiguousarray(bands[:, :100, 10:90].transpose(1, 2, 0))).shape == (2, 100, 80)
