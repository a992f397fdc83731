"""`train-embedded`: options reach the loop, wrong ones are refused before anything is written."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from server.commands import train_embedded
from server.errors import BadParameter


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
    monkeypatch.setattr("server.training.calibration.SHIFTS", (0.0,))
    monkeypatch.setattr("server.training.quality.PROMPTS_PER_IMAGE", 1)
    small = ["--steps", "1", "--size", "64", "--early-size", "64", "--images", "1", "--prompts", "1", "--scenes", "2"]
    small += ["--threads", "1", "--rated-images", "2"]
    assert train_embedded.run(parse(str(tmp_path / "run"), *small)) == 0
    assert (tmp_path / "run" / "embedded.safetensors").is_file()
    assert "mean IoU of one centre click" in capsys.readouterr().out
