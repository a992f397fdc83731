"""What requests about the annotation layer may carry."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from server.routes.bodies import (
    BandIndex,
    Body,
    CheckpointName,
    Coordinate,
    PromptSpace,
    RasterName,
    RasterQuery,
    RgbIndex,
)
from server.segmentation.many_prompts.placed import MAX_PROMPTS
from server.vectors.annotated import Source

# Outlines of some hundred objects with many corners each.
MAX_ANNOTATION_BYTES = 64 * 2**20
# Thousands of boxes with all digits of their degrees.
MAX_PROMPTS_BYTES = 4 * 2**20
MAX_OBJECTS = 100_000
ObjectId = Annotated[int, Field(ge=1)]
Revision = Annotated[int, Field(ge=1, description="The object's `revision` as it was read; 409 when it is older.")]
KnownRevision = Annotated[
    int | None,
    Field(
        default=None,
        ge=0,
        description="The layer's revision the sender knows: the answer tells all that happened after it, and undo, "
        "redo and a new class table are refused (409) where they would overwrite what the sender has not seen.",
    ),
]
ResultNumber = Annotated[
    int | None,
    Field(
        default=None,
        ge=1,
        description="Number of the result that the ids belong to, as `/annotations/similar` tells it; 409 where the "
        "raster has been segmented anew.",
    ),
]
Share = Annotated[float | None, Field(default=None, ge=0, le=1, allow_inf_nan=False)]
ClassName = Annotated[str | None, Field(default=None, min_length=1, max_length=100)]
Geometry = Annotated[
    dict[str, Any],
    Field(description="GeoJSON Polygon or MultiPolygon, in pixels where the raster has no place on Earth."),
]
Operation = Literal["merge", "split", "simplify", "regularise", "smooth", "snap"]
Format = Literal["gpkg", "geojson", "shp", "fgb", "coco", "labels", "classes", "stac"]


class SentObject(Body):
    """An object to keep."""

    geometry: Geometry
    class_name: ClassName = Field(alias="class")
    source: Source = "drawn"
    checkpoint: str | None = Field(default=None, max_length=200)
    predicted_iou: Share
    stability_score: Share


class SentReference(Body):
    """An object as the sender saw it."""

    id: ObjectId
    revision: Revision


class SentChange(SentReference):
    """An object with another class or outline; what is absent stays."""

    class_name: ClassName = Field(alias="class")
    geometry: dict[str, Any] | None = None


class SentClass(Body):
    """A row of the class table."""

    id: int = Field(ge=1, le=255, description="Its value in a class raster.")
    name: str = Field(min_length=1, max_length=100)
    color: str = Field(pattern="^#[0-9a-fA-F]{6}$")


class LayerQuery(RasterQuery):
    """`GET /annotations`."""

    since: int = Field(default=0, ge=0, description="Only what changed after this revision; 0 for all.")


class ChangeBody(Body):
    """`POST /annotations`."""

    raster: RasterName
    since: KnownRevision
    add: list[SentObject] = Field(default_factory=list, max_length=MAX_OBJECTS)
    change: list[SentChange] = Field(default_factory=list, max_length=MAX_OBJECTS)
    remove: list[SentReference] = Field(default_factory=list, max_length=MAX_OBJECTS)
    classes: list[SentClass] | None = Field(default=None, max_length=255, description="The whole class table.")


class EditBody(Body):
    """`POST /annotations/edit`."""

    raster: RasterName
    since: KnownRevision
    operation: Operation
    objects: list[SentReference] = Field(min_length=1, max_length=1000)
    line: list[Annotated[list[Coordinate], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list, max_length=1000, description="Where to split: [x, y], …"
    )
    tolerance_px: float = Field(default=2.0, gt=0, le=1000, allow_inf_nan=False)


class LayerBody(Body):
    """`POST /annotations/undo` and `/annotations/redo`."""

    raster: RasterName
    since: KnownRevision


class ImportQuery(RasterQuery):
    """`POST /annotations/import`."""

    since: KnownRevision
    take_as: Literal["objects", "boxes", "points"] = Field(
        default="objects",
        alias="as",
        description="What the outlines of the file become: objects, or prompts of a job, boxes around them or points "
        "inside them. Points in the file become points. The fields below belong to prompts.",
    )
    r: BandIndex | None = None
    g: BandIndex | None = None
    b: BandIndex | None = None
    checkpoint: CheckpointName


class SentPrompt(Body):
    """A prompt that means one object: a point or a box."""

    point: list[Coordinate] | None = Field(
        default=None, min_length=2, max_length=2, description="A point inside the object: x, y."
    )
    box: list[Coordinate] | None = Field(
        default=None, min_length=4, max_length=4, description="A box around the object: x0, y0, x1, y1."
    )

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        """Refuse a prompt that is both, or neither."""
        if (self.point is None) == (self.box is None):
            raise PydanticCustomError("prompt_kind", "expected either a point or a box")
        return self


class PromptsBody(Body):
    """`POST /annotations/prompts`."""

    raster: RasterName
    prompts: list[SentPrompt] = Field(min_length=1, max_length=MAX_PROMPTS, description="Each means one object.")
    space: PromptSpace
    rgb_index: RgbIndex
    checkpoint: CheckpointName
    class_name: ClassName = Field(alias="class")


class PromoteBody(Body):
    """`POST /annotations/promote`."""

    raster: RasterName
    since: KnownRevision
    ids: list[ObjectId] | None = Field(
        default=None, max_length=MAX_OBJECTS, description="Ids in the latest result; absent: all of it."
    )
    result_number: ResultNumber
    class_name: ClassName = Field(alias="class")


class SimilarBody(Body):
    """`POST /annotations/similar`."""

    raster: RasterName
    objects: list[SentReference] = Field(min_length=1, max_length=50, description="The examples.")
    window: list[int] | None = Field(
        default=None,
        min_length=4,
        max_length=4,
        description="Only objects in there: col, row, width, height in pixels.",
    )
    limit: int = Field(default=500, ge=1, le=5000, description="Candidates to tell at most.")
    rgb_index: RgbIndex
    checkpoint: CheckpointName


class ResultObjectsBody(Body):
    """`POST /objects`."""

    raster: RasterName
    ids: list[ObjectId] = Field(max_length=5000, description="Ids in the latest result.")
    result_number: ResultNumber


class AnnotationDownloadQuery(RasterQuery):
    """`GET /annotations/download`."""

    format: Format = "gpkg"
