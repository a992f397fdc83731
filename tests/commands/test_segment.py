"""The `segment` command: options, outputs, and what it refuses."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio

from server.commands import segment
from server.errors import BadParameter, CheckpointMissing, NotARaster
from server.segmentation import model_store
from server.segmentation.mask_records import MaskRecord
from server.segmentation.parameters import MaskGeneratorSettings


class OneSquare:
    """Finds one square in the upper left corner and remembers what it was asked."""

    input_size = 64
    patches_at_once = 1
    asked: tuple[str, MaskGeneratorSettings]

    def generate(self, rgb: np.ndarray, _tell: object) -> list[MaskRecord]:
        return [MaskRecord(np.ones((5, 5), dtype=bool), (1, 2, 5, 5), 0.9, 0.95, (3.5, 4.5))]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> OneSquare:
    square = OneSquare()

    def make_generator(_store: object, name: str, settings: MaskGeneratorSettings, _check: object) -> OneSquare:
        square.asked = (name, settings)
        return square

    monkeypatch.setattr(model_store.ModelStore, "make_generator", make_generator)
    return square


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    segment.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["segment", *map(str, words)])
    status: int = arguments.run(arguments)
    return status


def test_labels_vectors_and_summary(
    network: OneSquare, make_raster: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, labels, vector = make_raster(), tmp_path / "out.tif", tmp_path / "out.gpkg"
    assert run(source, labels, "--vector", vector, "--json", "--device", "cpu") == 0
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    assert {name: summary[name] for name in ("n_objects", "width", "height", "checkpoint", "device")} == {
        "n_objects": 1,
        "width": 64,
        "height": 48,
        "checkpoint": "embedded",
        "device": "cpu",
    }
    assert summary["seconds"] > 0
    assert "100%" in err
    with rasterio.open(labels) as raster:
        assert raster.read(1).sum() == 25
    assert pyogrio.read_info(vector)["features"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gpkg", "out.tif", "scene.tif"]


@pytest.mark.parametrize("ending", ["geojson", "zip", "json"])
def test_other_vector_formats(network: OneSquare, make_raster: Any, tmp_path: Path, ending: str) -> None:
    run(make_raster(), tmp_path / "out.tif", "--vector", tmp_path / f"out.{ending}")
    assert (tmp_path / f"out.{ending}").stat().st_size > 100


def test_every_parameter_is_an_option(network: OneSquare, make_raster: Any, tmp_path: Path) -> None:
    words = "--points-per-side 16 --points-per-batch 8 --pred-iou-thresh 0.5 --stability-score-thresh 0.6"
    words += " --stability-score-offset 0.9 --box-nms-thresh 0.4 --crop-n-layers 1 --crop-nms-thresh 0.3"
    words += " --crop-overlap-ratio 0.2 --crop-n-points-downscale-factor 2 --min-mask-region-area 9"
    run(make_raster(), tmp_path / "out.tif", "--checkpoint", "vit_b", *words.split())
    assert network.asked == ("vit_b", MaskGeneratorSettings(16, 8, 0.5, 0.6, 0.9, 0.4, 1, 0.3, 0.2, 2, 9))


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["--points-per-side", "0"], "points_per_side"),
        (["--pred-iou-thresh", "nan"], "pred_iou_thresh"),
        (["--bands", "1", "2", "9"], "bands"),
        (["--window", "0", "0", "65", "10"], "window"),
        (["--vector", "out.dxf"], "vector"),
        (["--vector", "no/such/folder/out.gpkg"], "output"),
    ],
)
def test_bad_options_name_themselves_and_write_nothing(
    words: list[str], field: str, network: OneSquare, make_raster: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadParameter) as error:
        run(make_raster(), tmp_path / "out.tif", *words)
    assert error.value.field == field
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_the_input_is_not_overwritten(network: OneSquare, make_raster: Any) -> None:
    source = make_raster()
    before = source.read_bytes()
    with pytest.raises(BadParameter, match="the input itself"):
        run(source, source)
    assert source.read_bytes() == before


def test_a_file_that_is_no_raster_is_refused(network: OneSquare, tmp_path: Path) -> None:
    (tmp_path / "notes.tif").write_text("hello")
    with pytest.raises(NotARaster):
        run(tmp_path / "notes.tif", tmp_path / "out.tif")


def test_an_absent_checkpoint_is_told(make_raster: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="fetch vit_h"):
        run(make_raster(), tmp_path / "out.tif", "--checkpoint", "vit_h", "--ckpt-folder", tmp_path)
