"""Upsamplers from files: the published layouts, our own, and what a real trained one does to a border."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from server.errors import CheckpointMissing
from server.vocabulary.upsampler import SeparateStagesUpsampler, SharedStageUpsampler, Upsampler
from server.vocabulary.upsampler_files import load_upsampler, save_upsampler

STAGE_NAMES = ["range_temp", "sigma_spatial"] + [
    f"{part}.{layer}.{value}"
    for part in ("range_proj", "fixup_proj")
    for layer in (0, 3)
    for value in ("weight", "bias")
]
END_NAMES = ["fixup_proj.1.weight", "fixup_proj.1.bias"]


def published_names(stages: list[str]) -> set[str]:
    return {f"upsampler.{stage}.{name}" for stage in stages for name in STAGE_NAMES} | {
        f"upsampler.{name}" for name in END_NAMES
    }


@pytest.mark.parametrize(
    ("made", "stages", "parameters"),
    [
        (SharedStageUpsampler(512), ["up"], 31_073 + 262_656),
        (SeparateStagesUpsampler(512), ["up1", "up2", "up3", "up4"], 287_588),
    ],
)
def test_names_and_sizes_are_the_published_ones(made: Upsampler, stages: list[str], parameters: int) -> None:
    assert {f"upsampler.{name}" for name in made.state_dict()} == published_names(stages)
    assert sum(value.numel() for value in made.parameters()) == parameters


@pytest.mark.parametrize("made", [SharedStageUpsampler(8, n_stages=3), SeparateStagesUpsampler(8)])
def test_our_files_bring_back_what_was_saved(tmp_path: Path, made: Upsampler) -> None:
    made.eval()
    save_upsampler(made, tmp_path / "up.safetensors", {"backbone": "embedded"})
    loaded = load_upsampler(tmp_path / "up.safetensors")
    features, picture = torch.randn(1, 8, 2, 3), torch.randn(1, 3, 32, 48)
    assert (type(loaded), loaded.scale, loaded.training) == (type(made), made.scale, False)
    with torch.inference_mode():
        assert torch.equal(loaded(features, picture), made(features, picture))


def test_a_training_checkpoint_of_the_shared_stage_is_read(tmp_path: Path) -> None:
    made = SharedStageUpsampler(8).eval()
    tensors = {f"upsampler.{name}": value for name, value in made.state_dict().items()}
    torch.save({"epoch": 0, "state_dict": tensors, "optimizer_states": [{"lr": 1e-3}]}, tmp_path / "simfeatup.ckpt")
    loaded = load_upsampler(tmp_path / "simfeatup.ckpt")
    assert isinstance(loaded, SharedStageUpsampler)
    assert (loaded.up.radius, loaded.scale) == (5, 16)


def test_missing_and_wrong_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="jbu_one"):
        load_upsampler(tmp_path / "up.safetensors")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointMissing, match="holds no upsampler"):
        load_upsampler(tmp_path / "other.ckpt")
    torch.save(SharedStageUpsampler(8).state_dict() | {"extra": torch.zeros(1)}, tmp_path / "more.ckpt")
    with pytest.raises(CheckpointMissing, match="extra"):
        load_upsampler(tmp_path / "more.ckpt")


def test_a_real_upsampler_sharpens_a_border(real_data: Path) -> None:
    """A picture of two surfaces that meet in the middle of a cell; each surface has a feature of its own."""
    path = real_data / "weights" / "clip_jbu_stack_cocostuff.ckpt"
    if not path.is_file():
        pytest.skip(f"FeatUp's published weights not found at {path}")
    upsampler = load_upsampler(path)
    assert isinstance(upsampler, SeparateStagesUpsampler)
    assert (upsampler.n_channels, upsampler.up1.radius, upsampler.scale) == (512, 3, 16)
    border = 72
    picture = torch.full((1, 3, 112, 112), -1.2)
    picture[..., border:] = 1.2
    left, right = torch.randn(2, 512, generator=torch.Generator().manual_seed(0)) * 0.4
    share = (torch.arange(7) * 16 + 16 - border).clamp(0, 16) / 16
    features = (left[:, None] * (1 - share) + right[:, None] * share)[None, :, None, :].expand(1, 512, 7, 7)
    with torch.inference_mode():
        sharp = upsampler(features.contiguous(), picture)
    smooth = functional.interpolate(features, scale_factor=16, mode="bilinear")

    def count_wrongly_placed(fine: torch.Tensor) -> float:
        """Mean distance, in pixels, of the shares of both features from a step at the border."""
        unit = functional.normalize(fine[0], dim=0)
        sides = torch.stack(
            [torch.einsum("c,cyx->yx", functional.normalize(side, dim=0), unit) for side in (left, right)]
        )
        share_right = torch.softmax(sides * 50, dim=0)[1]
        return float((share_right - (torch.arange(112) >= border).float()).abs().sum(dim=1).mean())

    assert count_wrongly_placed(sharp) < 0.7 * count_wrongly_placed(smooth)
