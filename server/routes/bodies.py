"""What requests may carry: strict models whose errors name the field, and the readers that apply them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.errors import BadParameter, TooLarge
from server.segmentation.prompting.prompts import MAX_POINTS
from server.segmentation.whole_raster.segmenting import MAX_RESOLUTION_M, MIN_RESOLUTION_M

RasterName = Annotated[str | None, Field(default=None, description="Name given at upload; absent: the latest raster.")]
BandIndex = Annotated[int, Field(ge=1, le=100_000, description="Band number, starting at 1.")]
RgbIndex = Annotated[
    list[BandIndex] | None,
    Field(default=None, min_length=3, max_length=3, description="Bands the network sees as red, green and blue."),
]
CheckpointName = Annotated[str | None, Field(default=None, max_length=200, description="One of `/checkpoints`.")]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Prompt = Annotated[list[Coordinate], Field(min_length=3, max_length=3)]
PromptSpace = Annotated[
    Literal["pixel", "map"],
    Field(
        default="pixel",
        description="Pixels, or longitude and latitude; both are pixels where the raster has no place on Earth.",
    ),
]
Stretch = Literal["percentile", "minmax", "none"]
MaxSize = Annotated[int, Field(ge=16, le=8192, description="Longest side of the answer in pixels.")]
Alpha = Annotated[float, Field(ge=0.0, le=1.0, description="Opacity of the objects; 1 hides the image below.")]
MAX_BODY_BYTES = 2**20
Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """A JSON body: types are not converted, unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Query(BaseModel):
    """A query string: numbers arrive as text, unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class AnswerBody(Body):
    """`POST /human_check`."""

    answer: int | None = Field(default=None, description="The number the picture asks for.")
    another: bool = Field(default=False, description="Ask another question instead.")


class PreviewBody(Body):
    """`POST /preview_raster`."""

    raster: RasterName
    r: BandIndex | None = None
    g: BandIndex | None = None
    b: BandIndex | None = None
    max_size: MaxSize = 2048
    stretch: Stretch = "percentile"


class SegmentBody(Body):
    """`POST /segment`, beside the generator's parameters, which `MaskGeneratorSettings` checks."""

    model_config = ConfigDict(strict=True, extra="allow")

    raster: RasterName
    out_raster: str = Field(default="result.tif", max_length=200, description="Name of the download, ending in .tif.")
    rgb_index: RgbIndex
    mode: Literal["everything", "class"] = Field(
        default="everything",
        description='"class" finds, without any click, what the checkpoint was fine-tuned for: its `class_name` in '
        "`/checkpoints`. Every connected area becomes an object; areas below `min_mask_region_area` are dropped, and "
        "no other parameter of the mask generator has a meaning there, nor has `full_cover`.",
    )
    checkpoint: CheckpointName
    window: list[int] | None = Field(
        default=None, min_length=4, max_length=4, description="Part to segment: col, row, width, height in pixels."
    )
    area: dict[str, Any] | None = Field(
        default=None,
        description="Part to segment: a GeoJSON Polygon or MultiPolygon in longitude and latitude; in the raster's own "
        "coordinates (its transform, else pixels) where it has no coordinate reference system.",
    )
    resolution_m: float | None = Field(
        default=None,
        ge=MIN_RESOLUTION_M,
        le=MAX_RESOLUTION_M,
        allow_inf_nan=False,
        description="Metres per pixel that the network sees; absent: the raster's own.",
    )
    full_cover: bool = Field(default=False, description="Go on until all ground belongs to an object.")


class PredictBody(Body):
    """`POST /predict`."""

    raster: RasterName
    points: list[Prompt] = Field(
        default_factory=list,
        max_length=MAX_POINTS,
        description="Clicks as [x, y, label], 1 inside the object, 0 outside.",
    )
    box: list[Coordinate] | None = Field(
        default=None, min_length=4, max_length=4, description="Box around the object: x0, y0, x1, y1."
    )
    previous: str | None = Field(default=None, max_length=200, description="Id of the mask to be corrected.")
    multimask: bool = Field(default=True, description="Three masks of different extent instead of one.")
    keep: bool = Field(
        default=True,
        description="The masks may be corrected later. For previews send false: they get no id, and push out no mask.",
    )
    space: PromptSpace
    rgb_index: RgbIndex
    checkpoint: CheckpointName


class RasterQuery(Query):
    """Every route about one raster."""

    raster: RasterName


class TileQuery(Query):
    """`GET /tiles/…`."""

    r: BandIndex | None = None
    g: BandIndex | None = None
    b: BandIndex | None = None
    stretch: Stretch = "percentile"
    v: str | None = Field(default=None, max_length=200, description="Anything; a new value passes the browser's cache.")


class ShownClasses(Query):
    """What of a result of `/classify` is shown; other results are shown whole."""

    min_probability: float = Field(default=0.0, ge=0.0, le=1.0, description="Classes less probable are not shown.")
    hidden: str = Field(
        default="", pattern=r"^(\d{1,3}(,\d{1,3})*)?$", description="Ids of classes that are not shown, as in 1,4."
    )

    @property
    def hidden_ids(self) -> frozenset[int]:
        """The ids among `hidden`."""
        return frozenset(int(number) for number in self.hidden.split(",") if number)


class MaskTileQuery(ShownClasses):
    """`GET /mask_tiles/…`."""

    alpha: Alpha = 0.6
    job: str | None = Field(default=None, max_length=200, description="Anything; passes the browser's cache.")


class MaskPreviewQuery(RasterQuery, ShownClasses):
    """`GET /preview_mask`."""

    max_size: MaxSize = 2048
    alpha: Alpha = 0.6


class DownloadQuery(RasterQuery):
    """`GET /download`."""

    format: Literal["tif", "gpkg", "geojson", "shp", "coco"] = "tif"


class ObjectQuery(RasterQuery):
    """`GET /object`."""

    x: float = Field(allow_inf_nan=False, description="Longitude, or pixels from the left border.")
    y: float = Field(allow_inf_nan=False, description="Latitude, or pixels from the upper border.")
    space: Literal["pixel", "map"] = "map"


def read_body(model: type[Model], max_bytes: int = MAX_BODY_BYTES) -> Model:
    """Return the JSON body of at most `max_bytes` as `model`; an absent body counts as `{}`.

    Raises:
        BadParameter: the body is no JSON object, or a field is unknown, mistyped or out of range.
        TooLarge: it is over `max_bytes`.
    """
    if (request.content_length or 0) > max_bytes:
        raise TooLarge(f"The body has {request.content_length:,} bytes; at most {max_bytes:,} are expected here.")
    if not request.get_data(cache=True).strip():
        return _validate(model, {})
    content = request.get_json(silent=True, force=True)
    if not isinstance(content, dict):
        raise BadParameter(
            "The body is not a JSON object; expected something like {} with Content-Type application/json."
        )
    return _validate(model, content)


def read_query(model: type[Model]) -> Model:
    """Return the query string as `model`; see `read_body` for the errors."""
    return _validate(model, request.args.to_dict())


def read_form(model: type[Model]) -> Model:
    """Return the fields of a multipart form, beside its files, as `model`; see `read_body` for the errors."""
    return _validate(model, request.form.to_dict())


def _validate(model: type[Model], values: Mapping[str, object]) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        place = _tell_place(first["loc"])
        raise BadParameter(_sentence(model, place, first["type"], first["msg"], first["input"]), field) from error


def _tell_place(steps: tuple[str | int, ...]) -> str:
    """Return where in a body something is, as in `add[3].class`; numbers count from 0."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _sentence(model: type[BaseModel], place: str, kind: str, reason: str, found: object) -> str:
    if kind == "extra_forbidden":
        known = "" if "." in place else f"; known are {', '.join(sorted(model.model_fields))}"
        return f'Unknown field "{place}"{known}.'
    if kind == "missing":
        return f'Field "{place}" is missing.'
    return f'Field "{place}" is {str(found)[:80]!r}: {reason[0].lower()}{reason[1:]}.'


def chosen_bands(r: int | None, g: int | None, b: int | None) -> tuple[int, int, int] | None:
    """Return the three bands asked for, or None when none was named.

    Raises:
        BadParameter: some were named and some were not.
    """
    if r is None and g is None and b is None:
        return None
    for name, value in (("r", r), ("g", g), ("b", b)):
        if value is None:
            raise BadParameter(f'Band "{name}" is missing; give r, g and b together, or none of them.', name)
    return (r, g, b)  # type: ignore[return-value]  # the loop refused None
