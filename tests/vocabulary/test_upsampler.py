"""The joint bilateral upsampler against slow code written from its formulas, and what it is for: sharp borders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from server.vocabulary.bilateral import BilateralStage
from server.vocabulary.block_plan import enlarge_matrix, plan_axis, reflect
from server.vocabulary.upsampler import SeparateStagesUpsampler, SharedStageUpsampler, Upsampler
from tests.vocabulary import reference
from tests.vocabulary.reference import relative_error


def disturb(module: torch.nn.Module, seed: int = 0) -> None:
    """Give every parameter, also the temperature and sigma, a value of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.2)


def numbers(module: torch.nn.Module) -> reference.Weights:
    return {name: value.numpy().astype(np.float64) for name, value in module.state_dict().items()}


def make_inputs(channels: int, rows: int, cols: int, scale: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, channels, rows, cols, generator=generator)
    return features, torch.randn(1, 3, rows * scale, cols * scale, generator=generator)


@pytest.mark.parametrize(("radius", "rows", "cols"), [(3, 3, 5), (5, 4, 3), (5, 7, 6)])
def test_one_stage_is_what_the_formulas_say(radius: int, rows: int, cols: int) -> None:
    stage = BilateralStage(radius).eval()
    disturb(stage)
    features, picture = make_inputs(6, rows, cols, 4)
    with torch.inference_mode():
        found = stage(features, picture)[0]
    expected = reference.bilateral_stage(
        features[0].double().numpy(), picture[0].double().numpy(), numbers(stage), radius
    )
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("kind", [SharedStageUpsampler, SeparateStagesUpsampler])
def test_both_layouts_are_what_the_formulas_say(kind: type[Upsampler]) -> None:
    upsampler = kind(5).eval()
    disturb(upsampler)
    features, picture = make_inputs(5, 2, 1, 16)
    with torch.inference_mode():
        found = upsampler(features, picture)[0]
    mixing = numbers(upsampler.fixup_proj[1])
    expected = reference.upsample(
        features[0].double().numpy(),
        picture[0].double().numpy(),
        [numbers(stage) for stage in upsampler.stages()],
        upsampler.stages()[0].radius,
        (mixing["weight"][:, :, 0, 0], mixing["bias"]),
    )
    assert found.shape == (5, 32, 16)
    assert relative_error(found, expected) < 1e-4


def test_temperatures_are_limited() -> None:
    stage = BilateralStage(3).eval()
    disturb(stage)
    features, picture = make_inputs(4, 3, 3, 2)
    with torch.inference_mode():
        for extreme, limit in ((-50.0, np.log(1e-4)), (50.0, np.log(1e4))):
            stage.range_temp.fill_(extreme)
            found = stage(features, picture)
            stage.range_temp.fill_(float(limit))
            torch.testing.assert_close(found, stage(features, picture), rtol=1e-4, atol=1e-4)


def test_bands_are_the_whole_result_cut_into_rows() -> None:
    upsampler = SharedStageUpsampler(4, n_stages=2).eval()
    features, picture = make_inputs(4, 7, 6, 4)
    with torch.inference_mode():
        bands = list(upsampler.bands(features, picture))
        assert torch.equal(torch.cat(bands, dim=2), upsampler(features, picture))
    assert [band.shape[2] for band in bands] == [8, 8, 8, 4]


def test_in_training_the_same_numbers_come_with_gradients() -> None:
    upsampler = SharedStageUpsampler(4, n_stages=2)
    disturb(upsampler)
    for layer in upsampler.modules():
        if isinstance(layer, torch.nn.Dropout2d):
            layer.p = 0.0
    features, picture = make_inputs(4, 5, 4, 4)
    trained = upsampler.train()(features, picture)
    with torch.inference_mode():
        torch.testing.assert_close(trained, upsampler.eval()(features, picture), rtol=1e-4, atol=1e-5)
    upsampler.train()(features, picture).square().mean().backward()
    gradients = {name: value.grad for name, value in upsampler.named_parameters()}
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients.values())


def test_gradients_are_those_of_finite_differences() -> None:
    stage = BilateralStage(2).double().eval()
    disturb(stage)
    features, picture = (values.double() for values in make_inputs(2, 3, 2, 2))
    loss = stage(features, picture).square().mean()
    loss.backward()
    for parameter in (stage.range_temp, stage.sigma_spatial):
        with torch.no_grad():
            parameter += 1e-6
            change = stage(features, picture).square().mean() - loss
            parameter -= 1e-6
        assert parameter.grad == pytest.approx(float(change) / 1e-6, rel=1e-3)


def test_dropout_leaves_out_whole_channels_of_the_correction() -> None:
    torch.manual_seed(0)
    stage = BilateralStage(2).train()
    described = torch.randn(2, 3, 3, 8, 8, 28)
    first, _, dropout, last = stage.fixup_proj
    last.weight.data = torch.eye(25)[:, :, None, None]
    last.bias.data.zero_()
    first.bias.data.fill_(3.0)
    dropout.p = 0.5
    is_zero = stage._correct(described) == 0
    by_map = is_zero.flatten(1, -2)
    assert torch.equal(by_map.all(dim=1), by_map.any(dim=1))
    assert 5 < int(by_map.all(dim=1).sum()) < 45


def test_mirrored_places_are_those_of_padding() -> None:
    side = torch.arange(6.0).reshape(1, 1, 6)
    padded = functional.pad(side, [5, 5], mode="reflect")[0, 0]
    assert torch.equal(reflect(torch.arange(-5, 11), 6).float(), padded)
    assert reflect(torch.arange(-4, 6), 2).tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert reflect(torch.arange(-2, 3), 1).tolist() == [0] * 5


@pytest.mark.parametrize(("n_coarse", "radius"), [(1, 5), (3, 5), (14, 3), (13, 5)])
def test_blocks_know_all_cells_they_need(n_coarse: int, radius: int) -> None:
    axis = plan_axis(n_coarse, radius)
    assert torch.allclose(axis.mixing.sum(-1), torch.ones(()), atol=1e-6)
    assert (axis.starts + axis.n_cells <= n_coarse).all()
    assert torch.allclose(enlarge_matrix(n_coarse).sum(1), torch.ones(()), atol=1e-6)


def test_a_border_stays_where_the_picture_has_it() -> None:
    """Random weights; the range term alone, at a high temperature, must not mix what looks different."""
    torch.manual_seed(0)
    stage = BilateralStage(3).eval()
    with torch.no_grad():
        stage.range_temp.fill_(6.0)
        stage.fixup_proj[3].weight.zero_()
        stage.fixup_proj[3].bias.zero_()
    picture = torch.full((1, 3, 16, 16), -1.0)
    picture[..., 10:] = 1.0
    features = torch.zeros(1, 1, 8, 8)
    features[..., 5:] = 1.0
    with torch.inference_mode():
        sharp = stage(features, picture)
    smooth = functional.interpolate(features, scale_factor=2, mode="bilinear")
    truth = (torch.arange(16) >= 10).float()
    assert (sharp - truth).abs().max() < 0.2
    assert (sharp - truth).abs().mean() < 0.5 * (smooth - truth).abs().mean()
