"""What `POST /classify` may carry."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from server.routes.bodies import (
    Body,
    CheckpointName,
    Coordinate,
    PromptSpace,
    RasterName,
    RgbIndex,
)
from server.segmentation.whole_raster.segmenting import MAX_RESOLUTION_M, MIN_RESOLUTION_M
from server.vocabulary.asking import DEFAULT_MIN_AREA_PX
from server.vocabulary.class_list import MAX_CLASSES, MAX_WORD_LENGTH

# Thousands of clicks with all digits of their degrees.
MAX_CLASSIFY_BYTES = 4 * 2**20
# Of one class: some minutes of looking at their surroundings.
MAX_EXAMPLE_POINTS = 5000
Word = Annotated[str, Field(min_length=1, max_length=MAX_WORD_LENGTH)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


class SentVocabularyClass(Body):
    """A class to look for."""

    name: Word
    synonyms: list[Word] = Field(
        default_factory=list, max_length=100, description="Further words for it; they count with words only."
    )
    color: str | None = Field(
        default=None, pattern="^#[0-9a-fA-F]{6}$", description="In the class raster; absent: one that is free."
    )


class SentExamples(Body):
    """Where a class is."""

    class_name: Word = Field(alias="class")
    points: list[Point] = Field(
        default_factory=list, max_length=MAX_EXAMPLE_POINTS, description="Clicks on it: [x, y], …"
    )
    annotations: bool = Field(default=False, description="All objects of that class in the annotation layer.")


class ClassifyBody(Body):
    """`POST /classify`."""

    raster: RasterName
    out_raster: str = Field(default="classes.tif", max_length=200, description="Name of the download, ending in .tif.")
    prompt: Literal["text", "examples"] = Field(
        default="examples",
        description='"text" finds classes by their words and needs the weights of CLIP on the server: see '
        "`text_available` in `/vocabulary`. By example the network of `checkpoint` compares all pixels with those of "
        "`examples`.",
    )
    classes: list[SentVocabularyClass] = Field(min_length=1, max_length=MAX_CLASSES)
    examples: list[SentExamples] = Field(
        default_factory=list, max_length=MAX_CLASSES, description="At least one place of each class."
    )
    space: PromptSpace
    rgb_index: RgbIndex
    checkpoint: CheckpointName
    model: str | None = Field(
        default=None, max_length=100, description="CLIP model, one of `text_models` in `/vocabulary`; for words only."
    )
    refine: bool = Field(
        default=False,
        description="Outline all objects, too; where the pixels of one agree, the doubtful ones take its class: "
        "sharper borders.",
    )
    background_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Pixels whose likeliest class has less probability become background; absent: none do.",
    )
    background: Word | None = Field(
        default=None, description='The class they become; absent: the one called "background".'
    )
    global_bias: float | None = Field(
        default=None,
        ge=-10,
        le=10,
        allow_inf_nan=False,
        description="How much of what a whole window has in common with a class is added to its pixels; below 0 takes "
        "it away. Absent: -0.3 with words, 0 by example.",
    )
    logit_scale: float | None = Field(
        default=None,
        ge=0.01,
        le=1000,
        allow_inf_nan=False,
        description="Higher makes the likeliest class more probable; absent: what suits the prompt.",
    )
    min_area_px: int = Field(
        default=DEFAULT_MIN_AREA_PX,
        ge=0,
        le=10**9,
        description="Smaller areas are no objects among the vectors; the class raster keeps them.",
    )
    window: list[int] | None = Field(
        default=None, min_length=4, max_length=4, description="Part to classify: col, row, width, height in pixels."
    )
    area: dict[str, Any] | None = Field(
        default=None, description="Part to classify: a GeoJSON Polygon or MultiPolygon; see `/segment`."
    )
    resolution_m: float | None = Field(
        default=None,
        ge=MIN_RESOLUTION_M,
        le=MAX_RESOLUTION_M,
        allow_inf_nan=False,
        description="Metres per pixel that the network sees; absent: the raster's own.",
    )
