"""The single table of mask-generator parameters: every bound, default and sentence the page and the API show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.errors import BadParameter


def _parameter(default: float, minimum: float, maximum: float, description: str) -> Any:
    """Declare one parameter: its default, its inclusive bounds and one sentence for the user."""
    metadata = {"minimum": minimum, "maximum": maximum, "description": description}
    return field(default=default, metadata=metadata)


PointGrid = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class MaskGeneratorSettings:
    """What `SamAutomaticMaskGenerator` is told, under its own argument names; defaults are those of the SAM release.

    SAM's `output_mode` is left out because the masks are stored in a form of our own. `point_grids` is for callers of
    the library alone: it has no bounds that a form could show.

    Attributes:
        point_grids: in place of `points_per_side`, the clicks (x, y) of each crop layer as shares 0..1 of the crop;
            one grid for the whole patch and one for each of `crop_n_layers`.
    """

    points_per_side: int = _parameter(
        32, 1, 128, "Clicks along each side of a window: more clicks find smaller objects and take longer."
    )
    # 256 prompts of three float masks at 1024 x 1024 already take 3 GB while they are measured.
    points_per_batch: int = _parameter(
        64, 1, 256, "Clicks the network answers at once: more is faster on a large GPU and needs more memory."
    )
    pred_iou_thresh: float = _parameter(
        0.88, 0.0, 1.0, "Masks that the network itself rates below this quality are dropped."
    )
    stability_score_thresh: float = _parameter(
        0.95, 0.0, 1.0, "Masks whose outline moves more than this when the cut-off changes are dropped."
    )
    stability_score_offset: float = _parameter(
        1.0, 0.0, 10.0, "How far the cut-off is moved to measure that stability: larger is stricter."
    )
    box_nms_thresh: float = _parameter(
        0.7, 0.0, 1.0, "Of two masks whose boxes overlap more than this only the better one stays."
    )
    crop_n_layers: int = _parameter(
        0,
        0,
        3,
        "Extra passes over enlarged parts of each window: finds small objects, each layer costs four times more.",
    )
    crop_nms_thresh: float = _parameter(
        0.7, 0.0, 1.0, "The same overlap rule between masks of different enlarged parts."
    )
    crop_overlap_ratio: float = _parameter(
        512 / 1500, 0.0, 0.9, "How much neighbouring enlarged parts overlap, as a share of the window's short side."
    )
    crop_n_points_downscale_factor: int = _parameter(
        1, 1, 8, "Divides the clicks per side once for every layer of enlarged parts."
    )
    min_mask_region_area: int = _parameter(
        0, 0, 1_000_000, "Holes and specks smaller than this many pixels are filled or removed; 0 keeps them."
    )
    point_grids: tuple[PointGrid, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse point grids that do not fit the crop layers.

        Raises:
            BadParameter: there are fewer grids than layers.
        """
        if self.point_grids is not None and len(self.point_grids) <= self.crop_n_layers:
            raise BadParameter(
                f'"point_grids" has {len(self.point_grids)} grids; {self.crop_n_layers} crop layers and the whole '
                f"patch need {self.crop_n_layers + 1}.",
                "point_grids",
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> MaskGeneratorSettings:
        """Build settings from a request; parameters that are absent keep their defaults.

        Raises:
            BadParameter: a name is unknown, a value has the wrong type or is out of range; `field` names it.
        """
        checked: dict[str, Any] = {name: _check(name, value) for name, value in values.items()}
        settings = cls(**checked)
        _check_points_of_last_layer(settings)
        return settings


PARAMETERS: dict[str, dataclasses.Field[Any]] = {
    item.name: item for item in dataclasses.fields(MaskGeneratorSettings) if item.metadata
}

# The page offers these beside the parameters; what a preset does not name keeps its default. At these thresholds the
# embedded network covers most of a scene (see its model card); the official networks then find more parts.
# Outlines of that network are ragged, so holes and islands of a few pixels go.
_PRESET_NAMES = ("points_per_side", "pred_iou_thresh", "stability_score_thresh", "min_mask_region_area")
PRESETS: dict[str, dict[str, float]] = {
    "fast": dict(zip(_PRESET_NAMES, (16, 0.85, 0.9, 100), strict=True)),
    "standard": dict(zip(_PRESET_NAMES, (24, 0.8, 0.9, 50), strict=True)),
    "fine": dict(zip(_PRESET_NAMES, (32, 0.7, 0.85, 50), strict=True)),
}


def describe_parameters() -> list[dict[str, Any]]:
    """Return the table as JSON-ready rows; `type` is "integer" or "number"."""
    return [
        {"name": name, "type": _json_type(item), "default": item.default, **item.metadata}
        for name, item in PARAMETERS.items()
    ]


def _json_type(item: dataclasses.Field[Any]) -> str:
    return "integer" if isinstance(item.default, int) else "number"


def _check(name: str, value: object) -> float:
    if name not in PARAMETERS:
        raise BadParameter(f'Unknown parameter "{name[:80]}"; known are {", ".join(PARAMETERS)}.', name)
    item = PARAMETERS[name]
    minimum, maximum = item.metadata["minimum"], item.metadata["maximum"]
    kind = _json_type(item)
    accepted = int if kind == "integer" else int | float
    expected = f"expected {'an integer' if kind == 'integer' else 'a number'} from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise BadParameter(f'"{name}" is {str(value)[:80]!r} ({type(value).__name__}); {expected}.', name)
    # NaN fails every comparison, so it is refused here together with both infinities.
    if not minimum <= value <= maximum:
        raise BadParameter(f'"{name}" is {value}; {expected}.', name)
    return value if kind == "integer" else float(value)


def _check_points_of_last_layer(settings: MaskGeneratorSettings) -> None:
    """Refuse a grid that the downscale factor would leave without a single point."""
    factor = settings.crop_n_points_downscale_factor**settings.crop_n_layers
    if settings.points_per_side < factor:
        raise BadParameter(
            f'"crop_n_points_downscale_factor" {settings.crop_n_points_downscale_factor} leaves no point in '
            f"layer {settings.crop_n_layers}; with these layers points_per_side must be {factor} or more.",
            "crop_n_points_downscale_factor",
        )
