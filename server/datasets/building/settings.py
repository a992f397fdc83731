"""What the person who builds a dataset decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from server.errors import BadParameter

PromptPart = Literal["box", "point", "mask", "rotated-mask"]
PROMPT_PARTS: tuple[PromptPart, ...] = get_args(PromptPart)
PromptKind = frozenset[PromptPart]
BOX: PromptKind = frozenset(("box",))
MIN_WINDOW_PX = 64
# Least predicted IoU and stability. With a box they reject no good mask of the regions they were chosen on, see
# docs/building_datasets.md. Clicks and filled boxes alone are rated lower; there they stop what is plainly wrong.
BOX_RATINGS, OTHER_RATINGS = (0.9, 0.88), (0.5, 0.7)


@dataclass(frozen=True)
class Gate:
    """What a mask must reach to enter the dataset; boxes are not asked of masks that come from a point.

    Attributes:
        min_predicted_iou: the network's own rating, 0..1; None means `BOX_RATINGS` or `OTHER_RATINGS`.
        min_stability: stability score, 0..1; None likewise.
        min_box_iou: IoU of the mask's box with the prompt's box, 0..1.
        min_area_ratio: mask's area over that of the prompt's box.
        max_area_ratio: see above.
    """

    min_predicted_iou: float | None = None
    min_stability: float | None = None
    min_box_iou: float = 0.5
    min_area_ratio: float = 0.1
    max_area_ratio: float = 1.5

    def min_ratings(self, prompt: PromptKind) -> tuple[float, float]:
        """Return predicted IoU and stability that a mask must reach which was asked for with a prompt."""
        usual = BOX_RATINGS if "box" in prompt else OTHER_RATINGS
        given = self.min_predicted_iou, self.min_stability
        predicted_iou, stability = (
            least if value is None else value for value, least in zip(given, usual, strict=True)
        )
        return predicted_iou, stability


@dataclass(frozen=True)
class Shares:
    """How much of the images goes where; the rest is for training.

    Attributes:
        validation: 0..1.
        test: 0..1.
    """

    validation: float = 0.1
    test: float = 0.1


@dataclass(frozen=True)
class BuildSettings:
    """How boxes become masks.

    Attributes:
        prompt: parts of the prompt together, of classes that `class_prompts` does not name.
        class_prompts: other prompts, by class.
        multimask: ask for several masks and take the best by predicted IoU times agreement with the box; False takes
            the one that the network offers.
        gate: what masks must reach.
        constrain: cut masks to their (rotated) box.
        with_difficult: take detections marked as difficult, too.
        window_px: side of windows in pixels of the image; None means what the network sees without resampling.
        seed: of the split.
        shares: of the split.
    """

    prompt: PromptKind = BOX
    class_prompts: Mapping[str, PromptKind] = field(default_factory=dict)
    multimask: bool = True
    gate: Gate = field(default_factory=Gate)
    constrain: bool = False
    with_difficult: bool = True
    window_px: int | None = None
    seed: int = 0
    shares: Shares = field(default_factory=Shares)

    def prompt_of(self, class_name: str) -> PromptKind:
        """Return the prompt for a class."""
        return self.class_prompts.get(class_name, self.prompt)


def read_prompt(text: str) -> PromptKind:
    """Return the parts of a prompt that is written as "box" or "box+point".

    Raises:
        BadParameter: a part is unknown or named twice, or both kinds of masks are asked for.
    """
    parts = [part.strip() for part in text.split("+")]
    if not set(parts) <= set(PROMPT_PARTS) or len(parts) != len(set(parts)) or {"mask", "rotated-mask"} <= set(parts):
        raise BadParameter(
            f'Prompt "{text[:60]}" asked; expected some of {", ".join(PROMPT_PARTS)} joined by "+", with at most one '
            "mask.",
            "prompt",
        )
    return frozenset(cast("list[PromptPart]", parts))


def write_prompt(kind: PromptKind) -> str:
    """Return a prompt as `read_prompt` reads it."""
    return "+".join(part for part in PROMPT_PARTS if part in kind)


def check_settings(settings: BuildSettings) -> None:
    """Make sure that numbers are in their ranges.

    Raises:
        BadParameter: one is not.
    """
    gate, shares = settings.gate, settings.shares
    named = {
        "min_iou": gate.min_predicted_iou,
        "min_stability": gate.min_stability,
        "min_box_iou": gate.min_box_iou,
        "validation": shares.validation,
        "test": shares.test,
    }
    for name, value in named.items():
        if value is not None and not 0 <= value <= 1:
            raise BadParameter(f"{name} is {value:g}; give a number from 0 to 1.", name)
    if shares.validation + shares.test > 1:
        raise BadParameter(
            f"Validation and test together are {shares.validation + shares.test:g} of the images; give 1 or less.",
            "validation",
        )
    if not 0 <= gate.min_area_ratio < gate.max_area_ratio:
        raise BadParameter(
            f"Area ratios {gate.min_area_ratio:g} to {gate.max_area_ratio:g} leave nothing; the first must be smaller.",
            "min_area_ratio",
        )
    if settings.window_px is not None and settings.window_px < MIN_WINDOW_PX:
        raise BadParameter(
            f"window_px is {settings.window_px}; give {MIN_WINDOW_PX} or more pixels of the image.", "window_px"
        )
