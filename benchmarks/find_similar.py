"""Objects like three example roofs: how many of those proposed are roofs, beside a ranking by mean colour.

Data: fAIr / HOT, region 3, which no shipped checkpoint was trained on. Everything is segmented as the page does it; an
automatic object is a roof when its IoU with a footprint is at least 0.5. Three roofs are drawn as examples, several
times; what the page's slider shows at first is compared with the footprints, and with as many objects whose mean
colour is nearest to that of the examples.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from server.annotations.promotion import read_automatic_objects
from server.datasets.known_sets import open_fair
from server.datasets.scenes import LabelledScene
from server.rasters.label_reader import LabelReader
from server.rasters.windows import PixelWindow
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.parameters import PRESETS, MaskGeneratorSettings
from server.segmentation.similar.searching import SimilarRequest
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS, SegmentRequest

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
MOSAICS = Path("fair_hot_buildings") / "mosaics_z20"
BANDS = (1, 2, 3)
N_EXAMPLES = 3
ROOF_IOU = 0.5
# What the page asks for, and with that the end of its slider.
PAGE_LIMIT = 500
# Enough to rank every candidate of a mosaic.
ALL = 100_000
SEED = 0
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """The automatic objects of a mosaic; arrays are by id, with a first entry for the background.

    Attributes:
        folder: of the result.
        area_px: (N + 1,).
        on_roofs_px: (N + 1,), pixels on any footprint.
        is_roof: (N + 1,), IoU with a footprint of at least `ROOF_IOU`.
        mean_rgb: (N + 1, 3).
        n_footprints: of the mosaic.
    """

    folder: Path
    area_px: NDArray[np.int64]
    on_roofs_px: NDArray[np.int64]
    is_roof: NDArray[np.bool_]
    mean_rgb: NDArray[np.float64]
    n_footprints: int

    @property
    def n_objects(self) -> int:
        """How many there are."""
        return len(self.area_px) - 1


@dataclass(frozen=True)
class Scores:
    """Of the objects shown; shares 0..1.

    Attributes:
        precision: of the objects shown, how many are roofs.
        recall: of the roofs among all candidates, how many are shown.
        area_precision: of the pixels shown, how many lie on footprints.
        average_precision: over all numbers of objects that the slider could show.
    """

    precision: float
    recall: float
    area_precision: float
    average_precision: float


def main(arguments: Sequence[str]) -> int:
    """Print a table for every mosaic."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.find_similar", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--training-regions", action="store_true", help="regions 1, 2 and 4 instead of region 3")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="standard", help="of the automatic objects")
    parser.add_argument("--draws", type=int, default=10, metavar="N", help="of example roofs in each mosaic")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where automatic objects are kept for next time")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as scratch:
        results = chosen.results or Path(scratch)
        scenes = open_fair(chosen.data, held_out=not chosen.training_regions)
        figures = {Path(scene.name).stem: measure(chosen, scene, results) for scene in scenes}
    if chosen.json:
        print(json.dumps(figures))
    else:
        print("\n".join(write_table(figures)))
    return 0


def measure(chosen: argparse.Namespace, scene: LabelledScene, results: Path) -> dict[str, object]:
    """Return the mean scores of both rankings on one mosaic, and what they were measured on."""
    engine = SegmentationEngine(chosen.ckpt_folder, "cpu")
    source = chosen.data / MOSAICS / f"{Path(scene.name).stem}.tif"
    found = describe(segment(engine, source, chosen, results), scene)
    roofs = np.flatnonzero(found.is_roof)
    rng = np.random.default_rng(SEED)
    shown: list[int] = []
    ours: list[Scores] = []
    by_colour: list[Scores] = []
    for _ in range(chosen.draws):
        examples = rng.choice(roofs, N_EXAMPLES, replace=False)
        ranked, n_shown = rank(engine, source, chosen.checkpoint, found, examples)
        shown.append(n_shown)
        ours.append(score(found, ranked, n_shown, examples))
        by_colour.append(score(found, rank_by_colour(found, ranked, examples), n_shown, examples))
    return {
        "candidates": found.n_objects,
        "footprints": found.n_footprints,
        "roofs among candidates": len(roofs),
        "shown": round(float(np.mean(shown)), 1),
        "find similar": average(ours),
        "mean colour": average(by_colour),
    }


def segment(engine: SegmentationEngine, source: Path, chosen: argparse.Namespace, results: Path) -> Path:
    """Return the folder with the automatic objects of a mosaic, segmented unless it is there."""
    folder = results / f"{source.stem}-{chosen.checkpoint}-{chosen.preset}"
    if not (folder / OBJECTS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        settings = MaskGeneratorSettings.from_mapping(PRESETS[chosen.preset])
        engine.segment(source, folder, SegmentRequest(BANDS, settings, chosen.checkpoint), lambda _share, _step: None)
    return folder


def describe(folder: Path, scene: LabelledScene) -> Candidates:
    """Compare the automatic objects of a mosaic with its footprints."""
    height, width = scene.objects.shape
    with LabelReader(folder / LABELS) as reader:
        labels = reader.read(PixelWindow(0, 0, width, height)).astype(np.int64)
    footprints = scene.objects.clip(0).astype(np.int64)
    area, roof_area = np.bincount(labels.ravel()), np.bincount(footprints.ravel())
    pairs, shared = np.unique(labels * len(roof_area) + footprints, return_counts=True)
    objects, roofs = np.divmod(pairs, len(roof_area))
    both = (objects > 0) & (roofs > 0)
    objects, roofs, shared = objects[both], roofs[both], shared[both]
    iou = shared / (area[objects] + roof_area[roofs] - shared)
    is_roof = np.zeros(len(area), bool)
    is_roof[objects[iou >= ROOF_IOU]] = True
    on_roofs = np.bincount(objects, shared, minlength=len(area)).astype(np.int64)
    sums = [np.bincount(labels.ravel(), band.ravel(), minlength=len(area)) for band in np.moveaxis(scene.rgb, 2, 0)]
    mean_rgb = np.stack(sums, axis=1) / np.maximum(area, 1)[:, None]
    return Candidates(folder, area, on_roofs, is_roof, mean_rgb, int(np.count_nonzero(roof_area[1:])))


def rank(
    engine: SegmentationEngine, source: Path, checkpoint: str, found: Candidates, examples: Ids
) -> tuple[Ids, int]:
    """Return all candidates as the service ranks them, and how many of them the page shows at first."""
    kept = read_automatic_objects(found.folder / OBJECTS, found.folder / LABELS, examples.tolist(), None, checkpoint)
    request = SimilarRequest(BANDS, checkpoint, [item.outline for item in kept], found.n_objects, limit=ALL)
    result = engine.find_similar(source, found.folder / LABELS, request, lambda _share, _step: None)
    return np.array(result.ids), max(1, min(result.n_alike, len(result.ids), PAGE_LIMIT))


def rank_by_colour(found: Candidates, candidates: Ids, examples: Ids) -> Ids:
    """Return the same candidates, those first whose mean colour is nearest to the mean of the examples'."""
    distance = np.linalg.norm(found.mean_rgb[candidates] - found.mean_rgb[examples].mean(axis=0), axis=1)
    return candidates[np.argsort(distance, kind="stable")]


def score(found: Candidates, ranked: Ids, n_shown: int, examples: Ids) -> Scores:
    """Compare a ranking with the footprints; the examples are neither proposed nor missed."""
    n_roofs = int(np.count_nonzero(found.is_roof)) - len(examples)
    shown, hits = ranked[:n_shown], found.is_roof[ranked]
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return Scores(
        precision=float(hits[:n_shown].mean()),
        recall=float(hits[:n_shown].sum() / n_roofs),
        area_precision=float(found.on_roofs_px[shown].sum() / found.area_px[shown].sum()),
        average_precision=float(precisions[hits].sum() / n_roofs),
    )


def average(scores: Sequence[Scores]) -> dict[str, float]:
    """Return the mean of each score."""
    rows = [asdict(item) for item in scores]
    return {item.name: round(float(np.mean([row[item.name] for row in rows])), 3) for item in fields(Scores)}


def write_table(figures: dict[str, dict[str, object]]) -> list[str]:
    """Return Markdown."""
    names = [item.name.replace("_", " ") for item in fields(Scores)]
    lines = [
        f"| mosaic | candidates | roofs | shown | ranking | {' | '.join(names)} |",
        f"|---|---|---|---|---|{'---|' * len(names)}",
    ]
    for mosaic, item in figures.items():
        facts = f"{item['candidates']} | {item['roofs among candidates']} of {item['footprints']} | {item['shown']}"
        for ranking in ("find similar", "mean colour"):
            values = item[ranking]
            if isinstance(values, dict):
                lines.append(f"| {mosaic} | {facts} | {ranking} | {' | '.join(map(str, values.values()))} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
