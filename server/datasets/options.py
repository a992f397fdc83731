"""How labelled imagery is to be read, in one place for all kinds of labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from server.datasets.class_table import ClassTable
from server.rasters.stretch import StretchMode

MaskKind = Literal["auto", "classes", "instances"]
GroupBy = Literal["folder", "name", "location"]
# A window of this side takes 50 MB as RGB and twice 67 MB as labels; larger rasters are cut.
MAX_SIDE_PX = 4096


@dataclass(frozen=True)
class Grouping:
    """How images are assigned to areas.

    Attributes:
        by: "folder" below the folder of images, "name" by `pattern`, or "location" by square blocks on the ground.
        pattern: regular expression searched in the name; its first group, or else the whole match, is the area.
        block_m: side of the blocks in metres.
    """

    by: GroupBy = "folder"
    pattern: str = ""
    block_m: float = 1000.0


@dataclass(frozen=True)
class ReadingOptions:
    """How to read labelled imagery; what does not concern a kind of labels is ignored by it.

    Attributes:
        class_table: what mask values mean; None for instance masks, for black-and-white masks, and for vectors.
        mask_kind: "classes" (every connected area of one class is an object), "instances" (values are ids), or "auto":
            classes where there is a table or a mask in 8 bits, else instances.
        threshold: grey masks are the class where they reach it; None takes values as they are.
        class_attribute: attribute of polygons that names their class; None makes them all one class.
        class_name: of instances, black-and-white masks and polygons without attribute.
        mask_suffix: what the stem of a mask has after that of its image, such as "_mask".
        grouping: how images are assigned to areas.
        stretch: of values that are to become 8 bits; see `server.rasters.stretch`.
        max_side_px: larger images are cut into windows of at most this side, each a record of its own.
    """

    class_table: ClassTable | None = None
    mask_kind: MaskKind = "auto"
    threshold: int | None = None
    class_attribute: str | None = None
    class_name: str = "object"
    mask_suffix: str = ""
    grouping: Grouping = field(default_factory=Grouping)
    stretch: StretchMode = "percentile"
    max_side_px: int = MAX_SIDE_PX
