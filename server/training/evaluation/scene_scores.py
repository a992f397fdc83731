"""Everything that is measured on one scene, in a form that fits on one line of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from server.datasets.scenes import LabelledScene
from server.segmentation.mask_records import MaskGenerator
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.training.evaluation.baselines import segment_by_colour
from server.training.evaluation.clicking import PromptScores, score_prompts
from server.training.evaluation.finding import FindingScores, choose_windows, score_finding
from server.training.evaluation.looking import SceneViewer
from server.training.evaluation.meant_objects import MeantObject, choose_meant_objects

Mode = Literal["prompts", "everything"]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        modes: which parts.
        max_objects_per_image: objects that are clicked on.
        max_windows_per_image: windows in which everything is sought.
        max_clicks: on one object.
        min_area_px: smaller objects are left out.
        has_baselines: also measure simple methods and an untrained network.
    """

    modes: tuple[Mode, ...] = ("prompts", "everything")
    max_objects_per_image: int = 20
    max_windows_per_image: int = 1
    max_clicks: int = 20
    min_area_px: int = 100
    has_baselines: bool = False


@dataclass(frozen=True)
class Contestants:
    """What is measured.

    Attributes:
        network: answers prompts.
        generator: finds everything.
        untrained: a network of the same kind with random weights; None without baselines.
    """

    network: PromptedNetwork
    generator: MaskGenerator
    untrained: PromptedNetwork | None


@dataclass(frozen=True)
class ObjectScores:
    """What was measured on one object.

    Attributes:
        object_id: in the scene.
        area_px: its size.
        prompts: of the network.
        felzenszwalb: IoU of Felzenszwalb's segment under the first click, for each scale; empty without baselines.
        filled_box: IoU of the object's box; None without baselines.
        untrained: of the untrained network, one click and the box; None without baselines.
    """

    object_id: int
    area_px: int
    prompts: PromptScores
    felzenszwalb: list[float]
    filled_box: float | None
    untrained: PromptScores | None


@dataclass(frozen=True)
class SceneScores:
    """What was measured on one scene of one set."""

    set_title: str
    scene: str
    objects: list[ObjectScores]
    windows: list[FindingScores]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a line of JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> SceneScores:
        """Undo `to_json`."""
        objects = [
            ObjectScores(
                **row
                | {
                    "prompts": PromptScores(**row["prompts"]),
                    "untrained": None if row["untrained"] is None else PromptScores(**row["untrained"]),
                }
            )
            for row in content["objects"]
        ]
        windows = [FindingScores(**row | {"window": tuple(row["window"])}) for row in content["windows"]]
        return cls(content["set_title"], content["scene"], objects, windows)


def score_scene(
    set_title: str, scene: LabelledScene, contestants: Contestants, effort: Effort, tell: Callable[[], object]
) -> SceneScores:
    """Measure everything on one scene.

    Args:
        set_title: of the set it belongs to.
        scene: the labelled image.
        contestants: what is measured.
        effort: how much is measured.
        tell: called after every object and every window; may raise to stop.
    """
    objects: list[ObjectScores] = []
    windows: list[FindingScores] = []
    if "prompts" in effort.modes:
        objects = _score_objects(scene, contestants, effort, tell)
    if "everything" in effort.modes:
        side = contestants.generator.input_size
        for window in choose_windows(scene.objects, side, effort.max_windows_per_image, effort.min_area_px):
            windows.append(
                score_finding(
                    scene, window, contestants.generator, effort.min_area_px, has_baselines=effort.has_baselines
                )
            )
            tell()
    return SceneScores(set_title, scene.name, objects, windows)


def _score_objects(
    scene: LabelledScene, contestants: Contestants, effort: Effort, tell: Callable[[], object]
) -> list[ObjectScores]:
    chosen = choose_meant_objects(scene.objects, effort.max_objects_per_image, effort.min_area_px)
    segmentations = segment_by_colour(scene.rgb) if effort.has_baselines and chosen else []

    def score(meant: MeantObject) -> ObjectScores:
        x, y, _ = meant.first_click()
        scores = ObjectScores(
            object_id=meant.object_id,
            area_px=meant.area_px,
            prompts=score_prompts(SceneViewer(scene.rgb, contestants.network), meant, effort.max_clicks),
            felzenszwalb=[meant.compare_segment(segments, x, y) for segments in segmentations],
            filled_box=meant.compare_filled_box() if effort.has_baselines else None,
            untrained=_score_untrained(scene, contestants.untrained, meant),
        )
        tell()
        return scores

    return [score(meant) for meant in chosen]


def _score_untrained(
    scene: LabelledScene, untrained: PromptedNetwork | None, meant: MeantObject
) -> PromptScores | None:
    # One click: random masks reach every border, so that each answer takes as many looks as there may be.
    return None if untrained is None else score_prompts(SceneViewer(scene.rgb, untrained), meant, max_clicks=1)
