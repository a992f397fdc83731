"""What can be asked of open vocabulary, and what comes back; known without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import shapely

from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.vocabulary.class_list import ClassList

Colour = tuple[int, int, int]
ExampleShape: TypeAlias = shapely.Point | shapely.Polygon | shapely.MultiPolygon
DEFAULT_MIN_AREA_PX = 16


@dataclass(frozen=True)
class Knobs:
    """What may be chosen about the decision; None takes what suits the prompt.

    Attributes:
        background_threshold: pixels whose likeliest class has less probability become background, 0..1.
        background: name of the class that they become.
        global_bias: how much of what the whole window has in common with a class is added to its pixels.
        logit_scale: how sharply classes are told apart: higher makes the likeliest more probable.
        min_area_px: smaller areas are no objects; the class raster keeps them.
    """

    background_threshold: float | None = None
    background: str | None = None
    global_bias: float | None = None
    logit_scale: float | None = None
    min_area_px: int = DEFAULT_MIN_AREA_PX

    def choose_settings(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what was chosen, under the names of `VocabularySettings`.

        Raises:
            BadParameter: there is a threshold and no class that is the background.
        """
        given = {
            "prob_thd": self.background_threshold,
            "global_bias": self.global_bias,
            "logit_scale": self.logit_scale,
        }
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if chosen.get("prob_thd") or self.background is not None:
            chosen["bg_idx"] = find_background(self.background, names)
        return chosen


def find_background(asked: str | None, names: Sequence[str]) -> int:
    """Return the number of the background: the class asked for, else the one called so.

    Raises:
        BadParameter: there is none.
    """
    name = asked or "background"
    if name not in names:
        raise BadParameter(
            f'No class is called "{name[:80]}", and pixels below the threshold become background. Add that class, '
            'name another one as "background", or leave the threshold out.',
            "background",
        )
    return list(names).index(name)


@dataclass(frozen=True)
class VocabularyRequest:
    """What to classify and how.

    Attributes:
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        classes: with synonyms, of which only words make use.
        colours: of the classes, by number.
        checkpoint: whose encoder compares with examples, and which finds the objects that refine.
        examples: (number of the class, shape in pixels of the raster); None classifies by the words of `classes`.
        model: CLIP model for words; None takes the one that is there.
        knobs: of the decision.
        refine: let SAM's objects sharpen the map.
        window: part of the raster to classify; None means all of it.
        area: GeoJSON Polygon or MultiPolygon outside which nothing is classified; see `SegmentRequest`.
        resolution_m: metres on the ground per pixel of the network's input; None means pixels as they are.
    """

    band_indexes: tuple[int, ...]
    classes: ClassList
    colours: tuple[Colour, ...]
    checkpoint: str
    examples: Sequence[tuple[int, ExampleShape]] | None = None
    model: str | None = None
    knobs: Knobs = Knobs()
    refine: bool = False
    window: PixelWindow | None = None
    area: Mapping[str, Any] | None = None
    resolution_m: float | None = None


@dataclass(frozen=True)
class ClassSummary:
    """What became of one class.

    Attributes:
        id: its value in the class raster.
        name: of the class.
        color: "#rrggbb".
        n_pixels: of the class.
        share: of all classified pixels, 0..1.
        area_m2: geodesic; None where the raster has no place on Earth.
    """

    id: int
    name: str
    color: str
    n_pixels: int
    share: float
    area_m2: float | None


@dataclass(frozen=True)
class VocabularyResult:
    """What came out, ready for JSON.

    Attributes:
        n_objects: objects in the GeoPackage.
        classes: in the order of the request.
        width: of the class raster in pixels.
        height: of the class raster in pixels.
        seconds: wall-clock time of the classification alone.
    """

    n_objects: int
    classes: tuple[ClassSummary, ...]
    width: int
    height: int
    seconds: float
