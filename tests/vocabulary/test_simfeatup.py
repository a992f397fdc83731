"""SimFeatUp's training: views, losses against their formulas, and runs that learn, resume and export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from server.commands.main import main
from server.errors import BadParameter
from server.segmentation.networks.embedded import build_embedded_sam
from server.segmentation.networks.embedded.weights import save_embedded_sam
from server.vocabulary.simfeatup.backbones import FrozenBackbone
from server.vocabulary.simfeatup.crops import CropReader, find_images
from server.vocabulary.simfeatup.jitters import MAX_ZOOM, REACH_PX, Jitter, draw_jitter
from server.vocabulary.simfeatup.losses import IMAGE_SHARE, Trainee, measure_losses
from server.vocabulary.simfeatup.networks import AttentionDownsampler, ContentRetention, Doubt
from server.vocabulary.simfeatup.training import UpsamplerTraining, train_upsampler
from server.vocabulary.upsampler import SharedStageUpsampler
from server.vocabulary.upsampler_files import load_upsampler


def average_colours(pictures: Tensor) -> Tensor:
    """A backbone of 4 channels: mean colours of cells of 4 x 4 pixels, and their sum."""
    means = functional.avg_pool2d(pictures, 4)
    return torch.cat([means, means.sum(1, keepdim=True)], dim=1)


BACKBONE = FrozenBackbone("colours", average_colours, 4, 4, 4, (127.0,) * 3, (60.0,) * 3, torch.device("cpu"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with an image of coarse coloured squares, a small one and a text."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(0, 255, (8, 10, 3)).astype(np.uint8)
    Image.fromarray(coarse.repeat(12, 0).repeat(12, 1)).save(folder / "more" / "squares.png")
    Image.fromarray(coarse).save(folder / "small.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_view_without_zoom_moves_whole_pixels() -> None:
    planes = torch.randn(1, 3, 24, 30)
    moved = Jitter(1.0, (5.0, -4.0)).apply(planes)
    torch.testing.assert_close(moved[:, :, :19, 4:], planes[:, :, 5:, :-4], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(Jitter(flipped=True).apply(planes), planes.flip(3), rtol=1e-3, atol=1e-4)


def test_views_stay_within_reach_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    views = [draw_jitter(rng, (64, 96)) for _ in range(300)]
    for view in views:
        assert 1 <= view.zoom <= MAX_ZOOM
        for side, shift in zip((64, 96), view.shift, strict=True):
            assert abs(shift) + side / 2 / view.zoom <= side / 2 + REACH_PX
    assert 0.4 < np.mean([view.zoom > 1 for view in views]) < 0.6
    assert 0.4 < np.mean([view.flipped for view in views]) < 0.6


def test_the_downsampler_is_a_weighted_mean_of_blurred_cells() -> None:
    torch.manual_seed(0)
    network = AttentionDownsampler(5, 4).eval()
    torch.nn.init.normal_(network.gain)
    torch.nn.init.normal_(network.shift)
    features = torch.randn(1, 5, 12, 16)
    with torch.inference_mode():
        found = network(features, network.attend(features))[0, :, 1, 2].numpy()
    taps = np.exp(-(np.arange(-2, 3) ** 2) / 2)
    taps /= taps.sum()
    padded = np.pad(features[0].numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
    blurred = np.zeros((5, 12, 16))
    for row in range(5):
        for col in range(5):
            blurred += taps[row] * taps[col] * padded[:, row : row + 12, col : col + 16]
    cell = blurred[:, 4:8, 8:12].reshape(5, 16)
    weight, bias = (value.detach().numpy() for value in (network.attend.weight[0, :, 0, 0], network.attend.bias))
    logits = (weight @ cell + bias) * network.gain.detach().numpy() + network.shift.detach().numpy()
    shares = np.exp(logits - logits.max())
    np.testing.assert_allclose(found, cell @ (shares / shares.sum()), rtol=1e-4, atol=1e-5)


def test_losses_are_those_of_the_formulas() -> None:
    torch.manual_seed(0)
    trainee = Trainee(SharedStageUpsampler(4, 1, 2), 4).eval()
    pictures = torch.randn(2, 3, 16, 16)
    jitters = [Jitter(), Jitter(1.5, (2.0, 1.0), True)]
    with torch.inference_mode():
        found = measure_losses(trainee, average_colours, pictures, jitters, torch.Generator().manual_seed(1))
        directions = torch.randn(4, 30, generator=torch.Generator().manual_seed(1))
        directions /= directions.norm(dim=0)
        fine = trainee.upsampler(average_colours(pictures), pictures)
        reconstruction, image = [], []
        for jitter in jitters:
            view, moved = jitter.apply(pictures), jitter.apply(fine)
            target = average_colours(view)
            scale = torch.exp(trainee.doubt.look(target) + 0.1)
            shrunk = trainee.downsampler(moved, trainee.downsampler.attend(moved))
            off = torch.tensordot(shrunk - target, directions, dims=([1], [0]))
            each = off**2 / (2 * scale.movedim(1, -1) ** 2) + scale.movedim(1, -1).log()
            reconstruction.append(each.mean())
            image.append(((view - trainee.retention(trainee.retention.first(moved))) ** 2).mean())
    torch.testing.assert_close(found.reconstruction, sum(reconstruction) / 2)
    torch.testing.assert_close(found.image, sum(image) / 2)
    assert float(found.total) == pytest.approx(float(found.reconstruction + IMAGE_SHARE * found.image))


def test_scales_stay_above_zero_and_pictures_within_one() -> None:
    doubt = Doubt(3)
    torch.nn.init.constant_(doubt.look.bias, -100.0)
    with torch.inference_mode():
        assert float(doubt(torch.randn(1, 3, 2, 2)).min()) == pytest.approx(1e-4)
        assert float(ContentRetention(3)(torch.randn(1, 128, 4, 4) * 100).abs().max()) <= 1


def test_crops_come_from_images_with_room(images: Path) -> None:
    found = find_images([images], 48)
    assert [path.name for path in found] == ["squares.png"]
    with CropReader(found, 48) as crops:
        crop = crops.draw(np.random.default_rng(0))
    assert (crop.shape, crop.dtype) == ((48, 48, 3), np.uint8)
    with pytest.raises(BadParameter, match=r"Among 3 files .* 500 x 500"):
        find_images([images], 500)


def test_images_are_closed_in_the_order_in_which_they_were_opened(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths:
        path.write_bytes((images / "more" / "squares.png").read_bytes())
    monkeypatch.setattr("server.vocabulary.simfeatup.crops.MAX_OPEN", 2)
    rng = np.random.default_rng(0)
    with CropReader(paths, 48) as crops:
        drawn = [crops.draw(rng) for _ in range(12)]
    assert all(crop.shape == (48, 48, 3) for crop in drawn)


def test_training_learns_and_an_interrupted_run_ends_alike(images: Path, tmp_path: Path) -> None:
    def train(name: str, n_steps: int) -> Path:
        settings = UpsamplerTraining(
            tmp_path / name, n_steps, crop=32, n_crops=2, n_jitters=2, radius=1, learning_rate=0.01
        )
        return train_upsampler(settings, BACKBONE, find_images([images], 32))

    unbroken = train("unbroken", 16)
    train("broken", 6)
    broken = train("broken", 16)
    first, second = (load_upsampler(path) for path in (unbroken, broken))
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value)
    rows = np.genfromtxt(unbroken.with_name("log.csv"), delimiter=",", names=True)
    assert rows["step"].tolist() == list(range(1, 17))
    assert rows["total"][-4:].mean() < rows["total"][:4].mean()
    assert (broken.with_name("log.csv")).read_text() == unbroken.with_name("log.csv").read_text()
    with Image.open(unbroken.with_name("curve.png")) as curve:
        assert curve.size == (900, 320)
    with safe_open(str(unbroken), "pt") as file:
        header = file.metadata()
    assert (header["backbone"], header["steps"], header["n_stages"]) == ("colours", "16", "2")


def test_what_does_not_fit_is_refused(images: Path, tmp_path: Path) -> None:
    found = find_images([images], 16)
    with pytest.raises(BadParameter, match="multiple of 4"):
        train_upsampler(UpsamplerTraining(tmp_path / "run", 1, crop=18), BACKBONE, found)
    options = {"crop": 16, "n_crops": 1, "n_jitters": 1}
    train_upsampler(UpsamplerTraining(tmp_path / "run", 1, radius=1, **options), BACKBONE, found)
    with pytest.raises(BadParameter, match="another backbone or radius"):
        train_upsampler(UpsamplerTraining(tmp_path / "run", 2, radius=2, **options), BACKBONE, found)


def test_the_command_trains_for_the_embedded_encoder(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ckpt").mkdir()
    torch.manual_seed(0)
    save_embedded_sam(build_embedded_sam(64), tmp_path / "ckpt" / "embedded.safetensors", {})
    options = ["--ckpt-folder", str(tmp_path / "ckpt"), "--threads", "1", "--images", str(images)]
    small = ["--steps", "1", "--crop", "32", "--crops", "1", "--jitters", "1", "--radius", "1"]
    assert main(["train-upsampler", str(tmp_path / "run"), *options, *small, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    upsampler = load_upsampler(Path(told["weights"]))
    assert (told["backbone"], told["images"], upsampler.n_channels, upsampler.scale) == ("embedded", 1, 256, 8)
    assert main(["train-upsampler", str(tmp_path / "run"), *options, "--radius", "9"]) == 2
    assert "--radius is 9; give 1 to 8." in capsys.readouterr().err
