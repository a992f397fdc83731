"""Turns the objects of a window into prompts and takes the best of the masks that come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.datasets.building.settings import BuildSettings, PromptKind
from server.datasets.building.windows import Look
from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box
from server.segmentation.batch_prompts.prompts import BatchNetwork, PromptBatch
from server.segmentation.mask_records import MaskRecord

POINT: PromptKind = frozenset(("point",))


@dataclass(frozen=True, eq=False)
class Candidate:
    """The best mask of an object, in pixels of the patch it was found in.

    Attributes:
        target: the object.
        look: where it was asked for.
        prompt: what it was asked with.
        record: the mask; None where the network drew none.
    """

    target: Target
    look: Look
    prompt: PromptKind
    record: MaskRecord | None


def ask_all(rgb: NDArray[np.uint8], look: Look, network: BatchNetwork, settings: BuildSettings) -> list[Candidate]:
    """Return the best mask of every object of a window, in the order of their ids.

    Args:
        rgb: the patch, uint8 (rows, columns, 3).
        look: its window and objects.
        network: answers.
        settings: prompts, and whether there are several candidates.
    """
    found = []
    for kind, targets in _group(look.targets, settings):
        batch = make_prompts(targets, kind, look)
        answers = network.answer(rgb, batch, multimask=settings.multimask)
        for target, records in zip(targets, answers, strict=True):
            found.append(Candidate(target, look, kind, _choose(records, target, look)))
    return sorted(found, key=lambda candidate: candidate.target.id)


def make_prompts(targets: Sequence[Target], kind: PromptKind, look: Look) -> PromptBatch:
    """Return the prompts of objects, in pixels of the patch.

    The box of a rotated one is the smallest upright rectangle around its corners; the click is in the middle.
    """
    boxes = np.array([target.box for target in targets], np.float64)
    corners = np.stack([_corners(target, is_rotated="rotated-mask" in kind) for target in targets])
    centres = np.array([target.box.centre for target in targets], np.float64)
    move = _Move(look)
    places = move.into_patch(centres)
    has_mask = bool(kind & {"mask", "rotated-mask"})
    return PromptBatch(
        boxes_xyxy=move.into_patch(boxes.reshape(-1, 2)).reshape(-1, 4) if "box" in kind else None,
        points_xy=places if "point" in kind else None,
        filled=move.into_patch(corners.reshape(-1, 2)).reshape(-1, 4, 2) if has_mask else None,
        places_xy=places,
    )


def box_of_mask(record: MaskRecord, look: Look) -> Box:
    """Return the box of a mask in pixels of the image."""
    x, y, width, height = record.bbox_xywh
    across, down = look.scale_xy
    left, top = look.window.col + x * across, look.window.row + y * down
    return Box(left, top, left + width * across, top + height * down)


@dataclass(frozen=True)
class _Move:
    """Carries places from the image into a patch."""

    look: Look

    def into_patch(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        window = self.look.window
        moved: NDArray[np.float64] = (points - (window.col, window.row)) / self.look.scale_xy
        return moved


def _group(targets: Iterable[Target], settings: BuildSettings) -> list[tuple[PromptKind, list[Target]]]:
    """Return objects by their prompt; of points nothing else than a click can be made."""
    groups: dict[PromptKind, list[Target]] = {}
    for target in targets:
        detection = target.detection
        kind = POINT if detection.is_point else settings.prompt_of(detection.class_name)
        groups.setdefault(kind, []).append(target)
    return sorted(groups.items(), key=lambda group: group[1][0].id)


def _corners(target: Target, *, is_rotated: bool) -> NDArray[np.float64]:
    if is_rotated and not target.detection.is_point:
        return target.detection.corners
    x0, y0, x1, y1 = target.box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _choose(records: Sequence[MaskRecord], target: Target, look: Look) -> MaskRecord | None:
    """Return the candidate with the highest predicted IoU times agreement; of equals the first."""
    return max(records, key=lambda record: record.predicted_iou * _agree(record, target, look), default=None)


def _agree(record: MaskRecord, target: Target, look: Look) -> float:
    """Return the IoU of mask's and object's box, 0..1; for a point, 1 where the mask holds it."""
    if not target.detection.is_point:
        return box_of_mask(record, look).iou(target.box)
    x, y = (int(place) for place in record.point_xy)
    left, top, width, height = record.bbox_xywh
    is_near = 0 <= x - left < width and 0 <= y - top < height
    return float(is_near and record.mask[y - top, x - left])
