"""Class lists of well-known data sets, with the threshold and background that are published for them.

Class names are those of the data sets; synonyms are ours. Thresholds and backgrounds are SegEarth-OV's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from server.vocabulary.class_list import ClassList, parse_classes
from server.vocabulary.settings import VocabularySettings


@dataclass(frozen=True)
class Preset:
    """Classes and how to decide between them.

    Attributes:
        title: name of the data set.
        classes: in the data set's order.
        prob_thd: see `VocabularySettings`.
        bg_idx: see `VocabularySettings`.
        global_bias: see `VocabularySettings`.
    """

    title: str
    classes: ClassList
    prob_thd: float
    bg_idx: int = 0
    global_bias: float = VocabularySettings.global_bias

    def adapt(self, settings: VocabularySettings) -> VocabularySettings:
        """Return `settings` with what this data set needs."""
        return replace(settings, prob_thd=self.prob_thd, bg_idx=self.bg_idx, global_bias=self.global_bias)


_BUILDINGS = parse_classes("background\nbuilding,roof,house")
_ROADS = parse_classes("background\nroad,street,highway")
_ISPRS = parse_classes(
    "impervious surface,road,parking lot\nbuilding,roof,house\nlow vegetation,grass\ntree\ncar\nclutter,background"
)

PRESETS: dict[str, Preset] = {
    "openearthmap": Preset(
        "OpenEarthMap",
        parse_classes(
            "background\nbareland,barren\nrangeland,grass\ndeveloped space,pavement,parking lot\nroad\ntree,forest\n"
            "water,river,lake\nagriculture land,cropland,field\nbuilding,roof,house"
        ),
        0.1,
    ),
    "loveda": Preset(
        "LoveDA",
        parse_classes(
            "background\nbuilding,roof,house\nroad\nwater,river,lake\nbarren,bare soil\nforest,trees\n"
            "agriculture,cropland"
        ),
        0.3,
    ),
    "isaid": Preset(
        "iSAID",
        parse_classes(
            "background\nship,boat\nstorage tank\nbaseball diamond\ntennis court\nbasketball court\n"
            "ground track field\nbridge\nlarge vehicle,truck,bus\nsmall vehicle,car\nhelicopter\nswimming pool\n"
            "roundabout\nsoccer ball field,football field\nplane,airplane\nharbor,pier"
        ),
        0.4,
    ),
    "potsdam": Preset("ISPRS Potsdam", _ISPRS, 0.1, bg_idx=5),
    "vaihingen": Preset("ISPRS Vaihingen", _ISPRS, 0.1, bg_idx=5),
    "uavid": Preset(
        "UAVid",
        parse_classes("background,clutter\nbuilding,roof,house\nroad\ntree\nlow vegetation,grass\ncar\nhuman,person"),
        0.3,
    ),
    "udd5": Preset(
        "UDD5",
        parse_classes("vegetation,tree,grass\nbuilding,facade,roof\nroad\nvehicle,car\nbackground,other"),
        0.4,
        4,
    ),
    "vdd": Preset(
        "VDD",
        parse_classes("background,other\nfacade,wall\nroad\nvegetation,tree,grass\nvehicle,car\nroof\nwater"),
        0.3,
    ),
    "whu_aerial": Preset("WHU buildings, aerial", _BUILDINGS, 0.6),
    "whu_satellite2": Preset("WHU buildings, satellite II", _BUILDINGS, 0.7),
    "inria": Preset("Inria buildings", _BUILDINGS, 0.6),
    "xbd": Preset("xBD before the disaster", _BUILDINGS, 0.0, global_bias=0.0),
    "chn6_cug": Preset("CHN6-CUG roads", _ROADS, 0.8),
    "deepglobe": Preset("DeepGlobe roads", _ROADS, 0.7),
    "massachusetts": Preset("Massachusetts roads", _ROADS, 0.7),
    "spacenet": Preset("SpaceNet roads", _ROADS, 0.7),
    "wbs_si": Preset("WBS-SI water", parse_classes("background\nwater,river,lake,flood"), 0.6),
}
