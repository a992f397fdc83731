"""Sets whose objects are known by boxes alone: the box of the mask that one click gives is compared with theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.datasets.detections.boxed_images import BoxedImage
from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import crop_mask
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.whole_raster.rectangles import slices_of
from server.training.evaluation.baselines import SCALES, segment_by_colour
from server.training.evaluation.looking import SceneViewer
from server.training.evaluation.summary import FOUND_IOU

# Felzenszwalb sees this much around an object: enough for its own region to end, whatever the size of the image.
LEAST_SIDE_PX, SIDE_PER_BOX = 256, 4
LEGEND = (
    "Objects known by boxes alone: IoU of the mask's box with theirs after one click at its centre, of the mask ranked "
    f"first / the best offered, and the share of objects where the first reaches {FOUND_IOU}."
)
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxedScores:
    """IoUs of boxes, one entry for each object.

    Attributes:
        first: float64 (N,), of the mask ranked first after one click at the box's centre.
        best: float64 (N,), of the best mask offered.
        felzenszwalb: float64 (N, 3), of the segment under the click, for each scale; (0, 3) without baselines.
    """

    first: NDArray[np.float64]
    best: NDArray[np.float64]
    felzenszwalb: NDArray[np.float64]


def score_boxed_images(
    images: Sequence[BoxedImage],
    network: PromptedNetwork,
    max_objects_per_image: int,
    tell: Callable[[], object],
    *,
    has_baselines: bool,
) -> BoxedScores:
    """Click once at the centre of boxes.

    Args:
        images: with their boxes.
        network: answers.
        max_objects_per_image: evenly spread over the file's order; the same at every call.
        tell: called after every image; may raise to stop.
        has_baselines: also ask Felzenszwalb.
    """
    first, best, by_colour = [], [], []
    for image in images:
        viewer = SceneViewer(image.read_rgb(), network)
        n_chosen = min(max_objects_per_image, len(image.boxes_xyxy))
        for index in np.linspace(0, len(image.boxes_xyxy) - 1, n_chosen).astype(int):
            box: Box = tuple(image.boxes_xyxy[index].tolist())
            offered = viewer.ask([(*_centre(box), 1)], multimask=True)
            ious = [compare_boxes(_as_box(mask.window), box) for mask in offered] or [0.0]
            first.append(ious[0])
            best.append(max(ious))
            if has_baselines:
                by_colour.append(_score_colour(viewer.rgb, box))
        tell()
    return BoxedScores(np.array(first), np.array(best), np.array(by_colour, np.float64).reshape(-1, len(SCALES)))


def render_boxed_table(scores: dict[str, BoxedScores], checkpoint: str) -> str:
    """Return the table as Markdown, with the legend above it; `scores` are by the title of their set."""
    lines = [
        LEGEND,
        "",
        "| Set | Method | Objects | IoU of boxes | Found |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for title, item in scores.items():
        lines.append(_line(title, checkpoint, item.first, item.best))
        if len(item.felzenszwalb):
            best_scale = item.felzenszwalb[:, item.felzenszwalb.mean(axis=0).argmax()]
            oracle = item.felzenszwalb.max(axis=1)
            lines.append(_line(title, "Felzenszwalb, best scale", best_scale, best_scale))
            lines.append(_line(title, "Felzenszwalb, oracle of three", oracle, oracle))
    return "\n".join(lines) + "\n"


def compare_boxes(one: Box, other: Box) -> float:
    """Return the IoU of two boxes x0, y0, x1, y1 with an area."""
    across = max(min(one[2], other[2]) - max(one[0], other[0]), 0.0)
    down = max(min(one[3], other[3]) - max(one[1], other[1]), 0.0)
    return across * down / (_area(one) + _area(other) - across * down)


def _line(title: str, method: str, first: NDArray[np.float64], best: NDArray[np.float64]) -> str:
    means = f"{first.mean():.3f} / {best.mean():.3f}"
    return f"| {title} | {method} | {len(first)} | {means} | {(first >= FOUND_IOU).mean():.3f} |"


def _score_colour(rgb: NDArray[np.uint8], box: Box) -> list[float]:
    """Return the IoU of boxes for Felzenszwalb's segment at the box's centre, for each scale."""
    x, y = _centre(box)
    side = int(max(LEAST_SIDE_PX, SIDE_PER_BOX * (box[2] - box[0]), SIDE_PER_BOX * (box[3] - box[1])))
    height, width = rgb.shape[:2]
    col = min(max(int(x) - side // 2, 0), max(width - side, 0))
    row = min(max(int(y) - side // 2, 0), max(height - side, 0))
    window = PixelWindow(col, row, min(side, width), min(side, height))
    part = np.ascontiguousarray(rgb[slices_of(window, PixelWindow(0, 0, width, height))])
    ious = []
    for segments in segment_by_colour(part):
        cropped = crop_mask(segments == segments[int(y) - row, int(x) - col])
        left, top, across, down = cropped[1] if cropped is not None else (0, 0, 0, 0)
        ious.append(compare_boxes((col + left, row + top, col + left + across, row + top + down), box))
    return ious


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _as_box(window: PixelWindow) -> Box:
    return window.col, window.row, window.col + window.width, window.row + window.height
