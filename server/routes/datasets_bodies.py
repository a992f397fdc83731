"""What requests about datasets may carry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from server.datasets.building.settings import BOX_RATINGS, OTHER_RATINGS, BuildSettings, Gate, Shares
from server.datasets.detections.opening import Format
from server.datasets.review.objects import State
from server.routes.bodies import Body, Prompt, Query
from server.segmentation.prompting.prompts import MAX_POINTS

MAX_LISTED = 200
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
ClassName = Annotated[str, Field(max_length=200)]
Ratio = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]


def _split_names(text: object) -> object:
    """Return the names that a form holds as one text, separated by commas or lines."""
    if not isinstance(text, str):
        return text
    names = [name.strip() for line in text.splitlines() for name in line.split(",")]
    return [name for name in names if name] or None


class DatasetForm(Query):
    """`POST /datasets`, beside the file."""

    format: Format = Field(description="Of the labels in the archive; see docs/building_datasets.md.")
    classes: Annotated[list[ClassName] | None, BeforeValidator(_split_names, json_schema_input_type=str)] = Field(
        default=None,
        max_length=255,
        description="Names in the order of their values, separated by commas or lines; absent: what the archive's "
        "classes.txt, classes.json or data.yaml says, else the names that occur.",
    )
    prompt: str = Field(
        default="box", max_length=60, description='"box", "point", "mask", "rotated-mask", or several as "box+point".'
    )
    multimask: bool = Field(default=BuildSettings.multimask, description="Best of several candidates instead of one.")
    constrain: bool = Field(default=False, description="Cut masks to their (rotated) box.")
    with_difficult: bool = Field(default=True, description="Take objects that are marked as difficult, too.")
    min_iou: Share | None = Field(
        default=None,
        description=f"Least predicted IoU of a mask; absent: {BOX_RATINGS[0]}, without box {OTHER_RATINGS[0]}.",
    )
    min_stability: Share | None = Field(
        default=None,
        description=f"Least stability score of a mask; absent: {BOX_RATINGS[1]}, without box {OTHER_RATINGS[1]}.",
    )
    min_box_iou: Share = Field(default=Gate.min_box_iou, description="Least IoU of the mask's box with its box.")
    min_area_ratio: Ratio = Field(default=Gate.min_area_ratio, description="Least area of a mask over its box's.")
    max_area_ratio: Ratio = Field(default=Gate.max_area_ratio, description="Largest area of a mask over its box's.")
    validation: Share = Field(default=Shares.validation, description="Share of the images for validation.")
    test: Share = Field(default=Shares.test, description="Share of the images for testing.")
    checkpoint: str | None = Field(default=None, max_length=200, description="One of `/checkpoints`.")


class ObjectsQuery(Query):
    """`GET /datasets/…/objects`."""

    state: Literal["open", "accepted", "rejected", "all"] = Field(default="open", description="What was decided.")
    gate: Literal["passed", "rejected"] = Field(
        default="passed", description="Objects whose mask passed the gate, or those that it rejected."
    )
    class_name: str | None = Field(default=None, alias="class", max_length=200, description="Only of this class.")
    order: Literal["score", "place"] = Field(default="score", description="Lowest scores first, or image by image.")
    offset: int = Field(default=0, ge=0, le=10**9, description="Objects to skip.")
    limit: int = Field(default=50, ge=1, le=MAX_LISTED, description="Objects in the answer, at most.")


class PictureQuery(Query):
    """`GET /datasets/…/picture`."""

    outline: bool = Field(default=True, description="Draw the mask's outline and the box.")
    v: str | None = Field(default=None, max_length=200, description="Anything; a new value passes the browser's cache.")


class DecisionBody(Body):
    """`POST /datasets/…/objects/…`: a decision, or clicks that correct the mask and accept it."""

    state: State | None = Field(
        default=None, description='"open" takes decision and correction back; absent: `points` are given.'
    )
    points: list[Prompt] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_POINTS,
        description="Clicks as [x, y, label] in pixels of the image, 1 inside the object, 0 outside; all of them, also "
        "those sent before.",
    )
