"""Simulates a person at the page: clicks on an object, corrects the mask click by click, draws its box."""

from __future__ import annotations

from dataclasses import dataclass

from server.training.evaluation.looking import Clicks, SceneMask, SceneViewer
from server.training.evaluation.meant_objects import MeantObject

# The counts of clicks that are reported, and the IoU after which nobody would go on clicking.
REPORTED_CLICKS = (1, 3, 5)
GOOD_ENOUGH_IOU = 0.90


@dataclass(frozen=True)
class PromptScores:
    """What a network made of one object.

    Attributes:
        first: IoU of the mask ranked first, after 1, 2, … clicks; ends early where the mask is good enough or perfect.
        best: IoU of the best mask of all that were offered, after each of `REPORTED_CLICKS`.
        box: IoU of the mask ranked first for the object's exact box.
    """

    first: list[float]
    best: list[float]
    box: float


def score_prompts(viewer: SceneViewer, meant: MeantObject, max_clicks: int) -> PromptScores:
    """Click on an object until its mask is good, then, anew, draw its box.

    The first click is the pixel deepest inside the object; each further one the middle of the largest error, with the
    logits of the last mask given back as SAM is trained to take them. After the first click one mask is asked for.

    Args:
        viewer: of the scene.
        meant: the object.
        max_clicks: 1 or more.
    """
    clicks: Clicks = [meant.first_click()]
    offered = viewer.ask(clicks, multimask=True)
    first, best = [_compare_first(meant, offered)], [_compare_best(meant, offered)]
    n_asked = max(REPORTED_CLICKS)
    while len(clicks) < max_clicks and (len(clicks) < n_asked or first[-1] < GOOD_ENOUGH_IOU):
        drawn = offered[0] if offered else None
        click = meant.next_click(drawn)
        if click is None:
            break
        clicks.append(click)
        seen = None if drawn is None else drawn.seen
        offered = viewer.ask(clicks, previous=seen, multimask=False)
        first.append(_compare_first(meant, offered))
        if len(clicks) in REPORTED_CLICKS:
            all_masks = viewer.ask(clicks, previous=seen, multimask=True)
            best.append(max(first[-1], _compare_best(meant, all_masks)))
    best += [max(first[-1], best[-1])] * (len(REPORTED_CLICKS) - len(best))
    return PromptScores(first, best, _compare_first(meant, viewer.ask([], meant.box, multimask=False)))


def _compare_first(meant: MeantObject, offered: list[SceneMask]) -> float:
    return meant.compare(offered[0] if offered else None)


def _compare_best(meant: MeantObject, offered: list[SceneMask]) -> float:
    return max((meant.compare(mask) for mask in offered), default=0.0)
