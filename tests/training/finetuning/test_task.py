"""From a checkpoint and labelled scenes to a checkpoint that the service lists and runs at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from server.datasets.errors import BadDataset
from server.datasets.scenes import Dataset, split_by_group
from server.errors import BadParameter
from server.segmentation.class_mode.segmenting import ClassRequest
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, find_class, list_checkpoints
from server.training.finetuning.settings import FineTuningSettings
from server.training.finetuning.task import FineTuningTask, fine_tune


@pytest.fixture
def task(tmp_path: Path) -> FineTuningTask:
    folder = tmp_path / "ckpt"
    folder.mkdir()
    shutil.copy(CHECKPOINT_FOLDER / "embedded.safetensors", folder)
    return FineTuningTask("embedded", "roads", "road", folder, device="cpu", licence="CC0-1.0", data="drawn roads")


@pytest.fixture
def settings(tmp_path: Path) -> FineTuningSettings:
    return FineTuningSettings(tmp_path / "run", n_steps=2, n_images=1, n_views=1, n_warm_up=1, validate_every=1)


def test_a_new_checkpoint_is_listed_and_runs_at_once(
    task: FineTuningTask,
    settings: FineTuningSettings,
    roads: Dataset,
    make_raster: Callable[..., Path],
    tmp_path: Path,
) -> None:
    training, validation = split_by_group(roads[13:18], ["south"])
    done = fine_tune(task, settings, training, validation)
    assert 0 <= done.after.iou <= 1
    listed = next(item for item in list_checkpoints(task.ckpt_folder) if item.name == "roads")
    assert (listed.kind, listed.available, listed.embedded, listed.class_name) == ("embedded", True, False, "road")
    assert (listed.input_size, listed.licence) == (512, "CC0-1.0")
    card = json.loads((task.ckpt_folder / "roads.json").read_text())
    assert (card["base"], card["data"]) == ("embedded", "drawn roads")
    assert card["metrics"]["iou"] == pytest.approx(done.after.iou, abs=1e-4)
    assert {"iou_before", "dice", "cl_dice"} <= card["metrics"].keys()
    assert sorted(path.name for path in settings.folder.iterdir()) == [
        "curve.png",
        "embeddings",
        "log.csv",
        "state.pt",
        "validation.csv",
    ]
    source, out = make_raster(), tmp_path / "out"
    out.mkdir()
    request = ClassRequest((1, 2, 3), "roads", find_class(task.ckpt_folder, "roads"))
    result = SegmentationEngine(task.ckpt_folder, "cpu").segment_class(source, out, request, lambda *_: None)
    assert (result.n_windows, result.width) == (1, 64)
    with rasterio.open(out / "labels.tif") as raster:
        assert len(np.unique(raster.read(1)[raster.read(1) > 0])) == result.n_objects
    with pytest.raises(BadParameter, match="here already"):
        fine_tune(task, settings, training, validation)


def test_what_is_at_fault_is_told_before_training(
    task: FineTuningTask, settings: FineTuningSettings, roads: Dataset
) -> None:
    training, validation = split_by_group(roads[13:18], ["south"])
    with pytest.raises(BadParameter, match='No checkpoint is called "vit_z"'):
        fine_tune(replace(task, checkpoint="vit_z"), settings, training, validation)
    with pytest.raises(BadDataset, match='no class "roof"'):
        fine_tune(replace(task, class_name="roof"), settings, training, validation)
    with pytest.raises(BadParameter, match="cannot be the name"):
        fine_tune(replace(task, out="no/name"), settings, training, validation)
    with pytest.raises(BadParameter, match='"n_steps" is 0; give 1 or more'):
        replace(settings, n_steps=0)
    with pytest.raises(BadParameter, match='"class_share" is 0; give a number over 0'):
        replace(settings, class_share=0)
    with pytest.raises(BadParameter, match='"head" cannot be trained; choose decoder, lora, everything'):
        replace(settings, trained="head")  # type: ignore[arg-type]
    assert not (task.ckpt_folder / "roads.json").exists()
