"""`train-embedded`: options reach the loop, wrong ones are refused before anything is written."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from server.commands import train_embedded
from server.errors import BadParameter
from server.segmentation.networks.embedded import build_embedded_sam
from server.training.labelled_images import UNKNOWN, LabelledImage


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train_embedded.add_parser(parser.add_subparsers())
    return parser.parse_args(["train-embedded", *words])


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--steps", "-1"), "steps"), (("--size", "100"), "--size"), (("--early-size", "32"), "--early-size")],
)
def test_wrong_options_are_refused(words: tuple[str, ...], named: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=named):
        train_embedded.run(parse(str(tmp_path / "run"), *words))
    assert not (tmp_path / "run").exists()


def test_a_tiny_run_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_embedded, "SCENE_SIZE", 96)
    monkeypatch.setattr(train_embedded, "N_HELD_OUT_SCENES", 1)
    monkeypatch.setattr("server.training.calibration.MAX_CLICKS_PER_IMAGE", 1)
    monkeypatch.setattr("server.training.quality.PROMPTS_PER_IMAGE", 1)
    small = ["--steps", "1", "--size", "64", "--early-size", "64", "--images", "1", "--prompts", "1", "--scenes", "2"]
    small += ["--threads", "1", "--rated-images", "2"]
    assert train_embedded.run(parse(str(tmp_path / "run"), *small)) == 0
    assert (tmp_path / "run" / "embedded.safetensors").is_file()
    assert "mean IoU of one centre click" in capsys.readouterr().out


class Boxed:
    """Stands in for an image with one box."""

    boxes_xyxy = np.array([[8, 8, 40, 40]], np.float64)

    def read_rgb(self) -> np.ndarray:
        return np.zeros((64, 64, 3), np.uint8)


def test_boxes_are_outlined_by_the_network_that_training_starts_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outline(network: object, rgb: np.ndarray, boxes: np.ndarray) -> LabelledImage:
        labels = np.zeros(rgb.shape[:2], np.int32)
        labels[8:40, 8:40] = next(drawn)
        return LabelledImage(rgb, labels)

    drawn = iter([1, UNKNOWN, UNKNOWN])
    monkeypatch.setattr("server.training.boxed_objects.outline_boxes", outline)
    sets = {"cars": [Boxed(), Boxed()], "crowns": [Boxed()]}
    monkeypatch.setattr("server.training.real_imagery.read_boxed", lambda _: sets)
    checkpoint = Path(__file__).parents[2] / "ckpt" / "embedded.safetensors"
    begun = parse(str(tmp_path), "--data", str(tmp_path), "--start-from", str(checkpoint))
    (cars,) = train_embedded._outline_boxed(begun)  # of the crowns no outline was believed
    assert [image.labels.max() for image in cars.images] == [1]
    assert train_embedded._outline_boxed(parse(str(tmp_path), "--data", str(tmp_path))) == []


def test_a_network_that_would_be_partly_random_outlines_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of another version may lack the rating, by which the outline of a box is chosen."""
    monkeypatch.setattr("server.training.real_imagery.read_boxed", lambda _: {"cars": [Boxed()]})
    other = tmp_path / "other.safetensors"
    weights = {name: value for name, value in build_embedded_sam().state_dict().items() if "quality.0" not in name}
    save_file({name: value.contiguous() for name, value in weights.items()}, other)
    assert (
        train_embedded._outline_boxed(parse(str(tmp_path), "--data", str(tmp_path), "--start-from", str(other))) == []
    )
    assert "lacks mask_decoder.quality.0.bias, mask_decoder.quality.0.weight: " in capsys.readouterr().out
