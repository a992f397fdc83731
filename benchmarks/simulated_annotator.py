"""How much work a building is: simulated clicks until its outline is right, and footprints imported as boxes.

Data: fAIr / HOT, region 3, which no shipped checkpoint was trained on. The first click goes to the middle of a
building, each further one to the middle of the largest error, through the service's own way of looking at a raster.
Boxes go through the engine of the job that answers many prompts; a building without an object counts with an IoU of 0.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from server.datasets.known_sets import open_fair
from server.datasets.scenes import Dataset
from server.rasters.windows import PixelWindow
from server.segmentation.engine import SegmentationEngine
from server.segmentation.many_prompts.answering import ManyPromptsRequest
from server.segmentation.many_prompts.placed import PlacedPrompt
from server.segmentation.model_store import ModelStore
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.parameters import MaskGeneratorSettings
from server.training.evaluation.clicking import REPORTED_CLICKS
from server.training.evaluation.meant_objects import MeantObject, choose_meant_objects
from server.training.evaluation.records import ScoreRecords
from server.training.evaluation.running import evaluate_datasets, make_contestants
from server.training.evaluation.scene_scores import Effort
from server.training.metrics.clicks import count_clicks
from server.vectors.annotated import ObjectFacts
from server.vectors.drawing import Drawing

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
MOSAICS = Path("fair_hot_buildings") / "mosaics_z20"
TARGET = 0.80
WITHIN = (10, 20)
MIN_AREA_PX = 100


def main(arguments: Sequence[str]) -> int:
    """Print the table of both ways."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulated_annotator", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--max-objects", type=int, default=1000, metavar="N", help="buildings of each mosaic")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    dataset = open_fair(chosen.data)
    figures = {**measure_clicks(chosen, dataset), **measure_boxes(chosen, dataset)}
    if chosen.json:
        print(json.dumps(figures))
    else:
        print(
            "\n".join(
                ["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures.items())]
            )
        )
    return 0


def measure_clicks(chosen: argparse.Namespace, dataset: Dataset) -> dict[str, float]:
    """Return what clicks reach; buildings that never reach the target count with all clicks."""
    store = ModelStore(chosen.ckpt_folder, "cpu")
    contestants = make_contestants(store, chosen.checkpoint, MaskGeneratorSettings(), has_baselines=False)
    effort = Effort(("prompts",), chosen.max_objects, max_clicks=max(WITHIN), min_area_px=MIN_AREA_PX)
    records = ScoreRecords(None, {})
    with tqdm(desc="clicks", unit="building", disable=None) as bar:
        evaluate_datasets({"fAIr": dataset}, contestants, effort, records, lambda *_: bar.update())
    rows = [item.prompts.first for scene in records.scores for item in scene.objects]
    ious = np.array([row + [np.nan] * (max(WITHIN) - len(row)) for row in rows])
    last = np.array([[row[min(n_clicks, len(row)) - 1] for n_clicks in REPORTED_CLICKS] for row in rows])
    reached = {f"reached within {n}": 1 - count_clicks(ious[:, :n], TARGET).share_failed for n in WITHIN}
    figures = {
        f"NoC@{TARGET:.2f}": count_clicks(ious, TARGET).mean,
        **reached,
        **{f"mean IoU, clicks: {n}": value for n, value in zip(REPORTED_CLICKS, last.mean(axis=0), strict=True)},
    }
    return {"buildings": len(rows), **_round(figures)}


def measure_boxes(chosen: argparse.Namespace, dataset: Dataset) -> dict[str, float]:
    """Return what the footprints' boxes become when they are imported as prompts."""
    engine = SegmentationEngine(chosen.ckpt_folder, "cpu")
    ious: list[float] = []
    n_missing = 0
    for scene in dataset:
        meant = choose_meant_objects(scene.objects, chosen.max_objects, MIN_AREA_PX)
        # The class tells which building an object was asked for.
        prompts = [PlacedPrompt(tuple(map(float, item.box)), str(item.object_id)) for item in meant]
        request = ManyPromptsRequest(prompts, (1, 2, 3), chosen.checkpoint)
        result = engine.answer_many(find_mosaic(chosen.data, scene.name), request, lambda _share, _step: None)
        found = {item.class_name: item for item in result.objects}
        ious += [compare(item, found.get(str(item.object_id))) for item in meant]
        n_missing += result.n_empty + result.n_duplicates
    figures = {"mean IoU, box": float(np.mean(ious)), "IoU >= 0.80, box": float(np.mean(np.array(ious) >= TARGET))}
    return {**_round(figures), "boxes without an object of their own": n_missing}


def find_mosaic(data: Path, scene: str) -> Path:
    """Return the file of a scene."""
    return data / MOSAICS / f"{Path(scene).stem}.tif"


def compare(meant: MeantObject, found: ObjectFacts | None) -> float:
    """Return the IoU of a building and an outline; 0 without one."""
    if found is None:
        return 0.0
    height, width = meant.objects.shape
    whole = PixelWindow(0, 0, width, height)
    drawn = Drawing([(found.outline, 1)]).draw(whole) > 0
    is_meant: NDArray[np.bool_] = meant.objects == meant.object_id
    known = meant.objects >= 0
    return float(np.count_nonzero(drawn & is_meant) / np.count_nonzero((drawn | is_meant) & known))


def _round(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 3) for name, value in figures.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
