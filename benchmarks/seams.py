"""How much the windows show in the result: objects cut at seams, agreement between different cuts, straight edges."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.known_objects import ArrayReader, Errors, KnowingGenerator, Labels, paint_mosaic
from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskGenerator
from server.segmentation.progress import Progress, Span
from server.segmentation.whole_raster.looking import Viewer
from server.segmentation.whole_raster.object_search import ObjectSearch
from server.segmentation.whole_raster.painting import Painter, number_visible
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.rectangles import intersect
from server.segmentation.whole_raster.window_plan import WindowPlan, plan_grid

OFFSETS_PX = (0, 37, 91)
# An id is a part of an object where it covers this share of it.
PART_SHARE = 0.05
# A straight edge is excused by an edge of the truth this near.
EDGE_TOLERANCE_PX = 3
# Threads thinner than this from outline to outline are narrower than the outlines' own error, and no window finds the
# same thread again.
MIN_WIDTH_PX = 5.0
MATCH_IOU = 0.5


@dataclass(frozen=True)
class Cut:
    """One way of cutting the same picture, and what came of it.

    Attributes:
        plan: of the windows.
        labels: int32 (H, W) of the whole picture, 0 outside the plan's region.
    """

    plan: WindowPlan
    labels: Labels


@dataclass(frozen=True)
class SeamFigures:
    """What seams did to the result.

    Attributes:
        n_crossing: known objects that a cell border crosses and that were found.
        one_id_share: share of them with one id.
        n_missed: known objects that a cell border crosses and that were not found.
        mean_iou: of objects matched between two cuts, over all pairs of cuts.
        matched_share: objects of one cut with a match in the other.
        longest_edge_px: longest straight edge along a border of a window or a cell that the truth does not have.
        edge_on_borders_px: mean over those borders of each one's longest edge.
        edge_elsewhere_px: the same over all other rows and columns. Outlines of a network that errs also run straight
            by chance; borders show where they do so more often than other lines.
    """

    n_crossing: int
    one_id_share: float
    n_missed: int
    mean_iou: float
    matched_share: float
    longest_edge_px: int
    edge_on_borders_px: float
    edge_elsewhere_px: float


def segment_array(reader: ArrayReader, generator: MaskGenerator, shape: tuple[int, int], offset_px: int) -> Cut:
    """Find the objects of a picture (rows, columns) from `offset_px` on, which shifts every window."""
    height, width = shape
    region = PixelWindow(offset_px, offset_px, width - offset_px, height - offset_px)
    viewer = Viewer(reader, generator, region, 1.0, None)  # type: ignore[arg-type]  # reads an array in place of a file
    reader.region = region
    plan = plan_grid(region, viewer.size_px)
    labels = np.zeros(shape, dtype=np.int32)
    with tempfile.TemporaryDirectory() as folder, PieceStore(Path(folder)) as store:
        search = ObjectSearch(viewer, plan)
        found = search.run(store, viewer.find, Span(Progress(lambda _share, _step: None)))
        painter = Painter(found.canvas, found.objects, region)
        for block in painter.blocks():
            labels[block.row : block.row + block.height, block.col : block.col + block.width] = painter.paint(block)
    counts = np.bincount(labels.ravel(), minlength=len(found.objects) + 1)[1:]
    return Cut(plan, number_visible(counts)[labels])


def measure_seams(truth: Labels, cuts: Sequence[Cut]) -> SeamFigures:
    """Compare the results of several cuts with the truth, int32 (H, W), and with each other."""
    parts = np.array([_count_parts(truth, cut) for cut in cuts]).sum(axis=0)
    n_one, n_more, n_missed = parts.tolist()
    mean_iou, matched_share = measure_agreement(cuts)
    edges = [measure_edges(truth, cut) for cut in cuts]
    on_borders, elsewhere = (np.concatenate(lines) for lines in zip(*edges, strict=True))
    return SeamFigures(
        n_crossing=n_one + n_more,
        one_id_share=n_one / max(1, n_one + n_more),
        n_missed=n_missed,
        mean_iou=mean_iou,
        matched_share=matched_share,
        longest_edge_px=int(on_borders.max()),
        edge_on_borders_px=float(on_borders.mean()),
        edge_elsewhere_px=float(elsewhere.mean()),
    )


def measure_agreement(cuts: Sequence[Cut]) -> tuple[float, float]:
    """Return the mean IoU of objects found in both of two cuts, over all pairs, and the share of objects that are."""
    ious = np.concatenate([_match(first, second) for first, second in itertools.permutations(cuts, 2)])
    matched = ious[ious >= MATCH_IOU]
    return float(matched.mean()) if matched.size else 0.0, float((ious >= MATCH_IOU).mean())


def _count_parts(truth: Labels, cut: Cut) -> tuple[int, int, int]:
    """Return how many known objects that a cell border crosses have one id, several, and none."""
    cell_of = np.zeros(truth.shape, dtype=np.int32)
    for number, cell in enumerate(cut.plan.cells):
        cell_of[cell.row : cell.row + cell.height, cell.col : cell.col + cell.width] = number + 1
    first, last = _spread(truth, cell_of)
    sizes = np.bincount(truth.ravel())
    id_sizes = np.bincount(cut.labels.ravel())
    keys, n_pixels = np.unique(truth.astype(np.int64) << 32 | cut.labels, return_counts=True)
    objects, ids = keys >> 32, keys & 0xFFFFFFFF
    # An id that lies mostly elsewhere is a neighbour's outline, and not a part of this object.
    is_part = (ids > 0) & (n_pixels >= PART_SHARE * sizes[objects]) & (n_pixels >= 0.5 * id_sizes[ids])
    n_parts = np.bincount(objects[is_part], minlength=len(sizes))
    crossing = (first != last) & (first > 0) & (sizes > 0) & (_measure_widths(truth) >= MIN_WIDTH_PX)
    crossing[0] = False
    counted = n_parts[crossing]
    return int((counted == 1).sum()), int((counted > 1).sum()), int((counted == 0).sum())


def _measure_widths(truth: Labels) -> NDArray[np.float64]:
    """Return the diameter of the largest disc inside each known object."""
    edges = np.zeros(truth.shape, dtype=bool)
    for axis in (0, 1):
        changed = np.diff(truth, axis=axis, prepend=np.take(truth, [0], axis)) != 0
        edges |= changed | np.roll(changed, -1, axis)
    depth = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, 5)
    widths = np.zeros(truth.max() + 1)
    np.maximum.at(widths, truth.ravel(), 2.0 * depth.ravel())
    return widths


def _spread(labels: Labels, values: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest and the largest of `values` under each label."""
    low = np.full(labels.max() + 1, 2**31, dtype=np.int64)
    high = np.zeros(labels.max() + 1, dtype=np.int64)
    np.minimum.at(low, labels.ravel(), values.ravel())
    np.maximum.at(high, labels.ravel(), values.ravel())
    return low, high


def _match(cut: Cut, other: Cut) -> NDArray[np.float64]:
    """Return the best IoU with an object of the other cut for each object away from the borders of both regions."""
    labels = cut.labels
    inside = np.zeros(labels.shape, dtype=bool)
    both = intersect(cut.plan.region, other.plan.region)
    if both is not None:
        inner = np.s_[both.row + 1 : both.row + both.height - 1, both.col + 1 : both.col + both.width - 1]
        inside[inner] = True
    sizes, theirs = np.bincount(labels.ravel()), np.bincount(other.labels.ravel())
    n_inside = np.bincount(labels[inside], minlength=len(sizes))
    keys, n_common = np.unique(labels.astype(np.int64) << 32 | other.labels, return_counts=True)
    ours, ids = keys >> 32, keys & 0xFFFFFFFF
    iou = np.where((ours > 0) & (ids > 0), n_common / (sizes[ours] + theirs[ids] - n_common), 0.0)
    best = np.zeros(len(sizes))
    np.maximum.at(best, ours, iou)
    is_compared = (n_inside == sizes) & (sizes > 0)
    is_compared[0] = False
    return best[is_compared]


def measure_edges(truth: Labels, cut: Cut) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the longest straight edge along each border of a window or a cell, and along each other row and column.

    Edges where the truth has one nearby do not count; borders of the region itself are left out.
    """
    region = cut.plan.region
    rectangles = [*cut.plan.windows, *cut.plan.cells]
    cols = {edge for item in rectangles for edge in (item.col, item.col + item.width)}
    rows = {edge for item in rectangles for edge in (item.row, item.row + item.height)}
    on_borders, elsewhere = [], []
    for known, labels, borders, first, length in (
        (truth, cut.labels, cols, region.col, region.width),
        (truth.T, cut.labels.T, rows, region.row, region.height),
    ):
        for line in range(first + 1, first + length):
            (on_borders if line in borders else elsewhere).append(_longest_edge(known, labels, line))
    return np.array(on_borders), np.array(elsewhere)


def _longest_edge(truth: Labels, labels: Labels, line: int) -> int:
    """Return the longest straight edge between columns `line` - 1 and `line`."""
    left, right = labels[:, line - 1].astype(np.int64), labels[:, line].astype(np.int64)
    near = truth[:, max(0, line - EDGE_TOLERANCE_PX) : line + EDGE_TOLERANCE_PX]
    is_edge = (left != right) & (near == near[:, :1]).all(axis=1)
    pair = np.where(is_edge, left << 32 | right, -1)
    starts = np.flatnonzero(np.diff(pair, prepend=-2))
    lengths = np.diff(np.append(starts, len(pair)))
    return max(lengths[pair[starts] >= 0].tolist(), default=0)


def measure_floor(truth: Labels, wobble_px: float) -> float:
    """Return the mean IoU between two looks at the whole picture that differ by their wobble alone.

    No way of merging windows can agree better with itself than that.
    """
    reader = ArrayReader(np.zeros((*truth.shape, 3), np.uint8))
    shape = (truth.shape[0], truth.shape[1])
    looks = [
        segment_array(
            reader,
            KnowingGenerator(reader, truth, max(shape), Errors(wobble_px, seed=seed)),
            shape,
            0,
        )
        for seed in (1, 2)
    ]
    return measure_agreement(looks)[0]


STAND_INS = {
    "oracle": Errors(),
    "noisy": Errors(wobble_px=0.5, miss_share=0.2, rim_px=32),
    "context": Errors(wobble_px=0.25, miss_share=0.1, rim_px=32, shrink_share=0.3, melt_share=0.2),
}


def measure_stand_in(name: str, n_side: int, scene_px: int, input_size: int, seed: int) -> SeamFigures:
    """Cut a mosaic at every offset, segment it with a stand-in, and measure."""
    rgb, truth = paint_mosaic(n_side, scene_px, seed)
    return measure_generator(rgb, truth, lambda reader: KnowingGenerator(reader, truth, input_size, STAND_INS[name]))


def measure_generator(
    rgb: NDArray[np.uint8],
    truth: Labels,
    make_generator: Callable[[ArrayReader], MaskGenerator],
) -> SeamFigures:
    """Cut a picture with known objects at every offset, segment it and measure."""
    reader = ArrayReader(rgb)
    generator = make_generator(reader)
    shape = (truth.shape[0], truth.shape[1])
    return measure_seams(truth, [segment_array(reader, generator, shape, offset) for offset in OFFSETS_PX])


def main(arguments: Sequence[str]) -> int:
    """Print the figures of the stand-ins and, on request, of a checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seams", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--checkpoint", help="measure this network, too")
    parser.add_argument("--scenes", type=int, default=2, help="scenes along each side of the mosaic")
    parser.add_argument("--points-per-side", type=int, default=24)
    chosen = parser.parse_args(arguments)
    figures: dict[str, Any] = {
        name: vars(measure_stand_in(name, chosen.scenes, 700, 512, seed=11)) for name in STAND_INS
    }
    if chosen.checkpoint:
        figures[chosen.checkpoint] = vars(_measure_checkpoint(chosen))
    truth = paint_mosaic(chosen.scenes, 700, seed=11)[1]
    for name, errors in STAND_INS.items():
        figures[name]["mean_iou_floor"] = measure_floor(truth, errors.wobble_px)
    for name, values in figures.items():
        print(f"{name:12}", *(f"{key}={value:.4g}" for key, value in values.items()))
    if chosen.json:
        print(json.dumps(figures))
    return 0


def _measure_checkpoint(chosen: argparse.Namespace) -> SeamFigures:
    from server.segmentation.model_store import ModelStore
    from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
    from server.segmentation.parameters import PRESETS, MaskGeneratorSettings

    values = {**PRESETS["standard"], "points_per_side": chosen.points_per_side}
    settings = MaskGeneratorSettings.from_mapping(values)
    generator = ModelStore(CHECKPOINT_FOLDER).make_generator(chosen.checkpoint, settings, lambda: None)
    rgb, truth = paint_mosaic(chosen.scenes, 700, seed=11)
    return measure_generator(rgb, truth, lambda _reader: generator)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
