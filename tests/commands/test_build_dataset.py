"""The command, with the embedded checkpoint, on two small pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths

from server.commands import build_dataset, main
from server.datasets.errors import BadDataset
from server.errors import BadParameter

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ROOFS = {"east": [(20, 20, 60, 50), (90, 70, 130, 120)], "west": [(40, 60, 100, 110)]}


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    build_dataset.add_parser(parser.add_subparsers())
    arguments = parser.parse_args([str(word) for word in ("build-dataset", *words)])
    status: int = arguments.run(arguments)
    return status


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Return a folder with pictures of bright roofs on grass, and a table of their boxes."""
    folder = tmp_path / "town"
    folder.mkdir()
    rows = ["image,xmin,ymin,xmax,ymax,class"]
    for number, (name, roofs) in enumerate(ROOFS.items()):
        picture = np.random.default_rng(number).normal((60, 95, 60), 8, (160, 160, 3)).clip(0, 255).astype(np.uint8)
        for x0, y0, x1, y1 in roofs:
            picture[y0:y1, x0:x1] = (150, 170, 200)
            rows.append(f"{name}.png,{x0},{y0},{x1},{y1},roof")
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    (folder / "boxes.csv").write_text("\n".join(rows))
    return folder


def test_boxes_become_masks(town, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--images", town, "--boxes", town / "boxes.csv", "--format", "csv", "--out", out, "--threads", 1, "--json")
    assert run(*words) == 0
    first = capsys.readouterr().out
    figures = json.loads(first.splitlines()[-1])
    assert (figures["n_images"], figures["n_in"], figures["n_kept"], figures["rejected"]) == (2, 3, 3, {})
    content = json.loads((out / "instances.json").read_text())
    truth = [(name, box) for name, boxes in ROOFS.items() for box in boxes]
    for annotation, (_, (x0, y0, x1, y1)) in zip(content["annotations"], truth, strict=True):
        mask = run_lengths.decode(annotation["segmentation"]).astype(bool)
        roof = np.zeros_like(mask)
        roof[y0:y1, x0:x1] = True
        assert (mask & roof).sum() / (mask | roof).sum() > 0.85
    before = (out / "manifest.json").read_bytes()
    assert run(*words) == 0  # finds everything finished
    assert (out / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (("--prompt", "circle"), BadParameter, 'Prompt "circle" asked'),
        (("--class-prompt", "roof"), BadParameter, "write it as CLASS=KIND"),
        (("--threads", 0), BadParameter, "give 1 or more"),
        (("--min-iou", 7), BadParameter, "give a number from 0 to 1"),
        (("--images", "/absent"), BadDataset, "does not exist"),
        (("--format", "coco"), BadDataset, "cannot be read as JSON"),
    ],
)
def test_wrong_options_get_a_sentence(words, error, sentence, town, tmp_path):
    given = ("--images", town, "--boxes", town / "boxes.csv", "--format", "csv", "--out", tmp_path / "out")
    with pytest.raises(error, match=sentence):
        run(*given, *words)
    assert not (tmp_path / "out").exists()


def test_it_is_a_command():
    assert "build-dataset" in main.build_parser().format_help()
