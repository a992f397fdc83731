"""Public labelled sets by name, each with the part that no shipped checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.datasets.class_table import make_class_table
from server.datasets.detections.boxed_images import BoxedImage, pair_boxed_images, read_boxed_images
from server.datasets.errors import BadDataset
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.reading import read_dataset
from server.datasets.scenes import Dataset, split_by_group

# MBRSC Dubai (CC0): colours of its classes.
DUBAI_COLOURS = {
    "building": "#3C1098",
    "land": "#8429F6",
    "road": "#6EC1E4",
    "vegetation": "#FEDD3A",
    "water": "#E2A929",
}
# Doodleverse (MIT): satellite scenes of coasts.
COAST_CLASSES = ("water", "surf", "sand", "land")
BEACH_COLOURS = {"water": "#3366CC", "land": "#DC3912"}
TRAINING_CROWNS = ("2019_YELL_2_541000_4977000_image_crop", "SOAP_061")


@dataclass(frozen=True)
class KnownSet:
    """A labelled set below a folder of sets.

    Attributes:
        title: for tables: what it is, and which part is held out.
        open: makes the held-out part from the folder of sets.
    """

    title: str
    open: Callable[[Path], Dataset]


@dataclass(frozen=True)
class KnownBoxedSet:
    """A set of objects with boxes below a folder of sets.

    Attributes:
        title: for tables.
        open: makes the part that training has not seen from the folder of sets.
    """

    title: str
    open: Callable[[Path], list[BoxedImage]]


def open_dubai(folder: Path, *, held_out: bool = True) -> Dataset:
    """Open MBRSC Dubai: tile 7 when held out, otherwise tiles 1 to 6; areas are tiles."""
    rows: list[dict[str, object]] = [{"name": name, "colour": colour} for name, colour in DUBAI_COLOURS.items()]
    rows += [{"name": "unlabelled", "colour": colour, "ignore": True} for colour in ("#9B9B9B", "#000000")]
    options = ReadingOptions(class_table=make_class_table(rows), grouping=Grouping("name", r"t(\d)$"))
    dataset = read_dataset(folder / "dubai_mbrsc" / "images", folder / "dubai_mbrsc" / "masks", options)
    return split_by_group(dataset, ["7"])[1 if held_out else 0]


def open_fair(folder: Path, *, held_out: bool = True) -> Dataset:
    """Open the building mosaics of fAIr / HOT: region 3 when held out, otherwise the others; areas are regions."""
    mosaics = folder / "fair_hot_buildings" / "mosaics_z20"
    grouping = Grouping("name", r"region(\d)")
    options = ReadingOptions(class_name="building", mask_suffix="_instances", grouping=grouping)
    return split_by_group(read_dataset(mosaics, mosaics, options), ["3"])[1 if held_out else 0]


def _open_banepa(folder: Path) -> Dataset:
    images = folder / "fair_banepa_buildings" / "train"
    return read_dataset(images / "oam", images / "instances", ReadingOptions(class_name="building"))


def _open_coast(folder: Path) -> Dataset:
    rows = [{"name": name, "value": value} for value, name in enumerate(COAST_CLASSES)]
    options = ReadingOptions(class_table=make_class_table(rows), grouping=Grouping("name", r"S2|L8|LC08|D800"))
    coast = folder / "doodler_coastal"
    # The drone's picture is labelled by another list of classes, and is among the beaches.
    return split_by_group(read_dataset(coast / "images", coast / "labels", options), ["D800"])[0]


def _open_beach(folder: Path) -> Dataset:
    rows: list[dict[str, object]] = [{"name": name, "colour": colour} for name, colour in BEACH_COLOURS.items()]
    coast = folder / "doodler_coastal"
    options = ReadingOptions(class_table=make_class_table(rows))
    return read_dataset(coast / "images_beach", coast / "labels_beach_rgb", options)


def _open_epfl(folder: Path) -> Dataset:
    roads = folder / "noncommercial" / "epfl_roads"
    return read_dataset(roads / "images", roads / "groundtruth", ReadingOptions(threshold=128, class_name="road"))


KNOWN_SETS = {
    "dubai": KnownSet("MBRSC Dubai, tile 7", open_dubai),
    "fair": KnownSet("fAIr buildings, region 3", open_fair),
    "banepa": KnownSet("fAIr Banepa buildings", _open_banepa),
    "doodler": KnownSet("Doodler coasts", _open_coast),
    "beach": KnownSet("Doodler beaches", _open_beach),
    "epfl": KnownSet("EPFL roads (comparison only)", _open_epfl),
}


def open_cars(folder: Path, *, held_out: bool = True) -> list[BoxedImage]:
    """Open cars: those from drones (CC BY-SA) and one picture of Munich when held out, Munich's others otherwise."""
    cars = folder / "aerial_cars_boxes"
    found = read_boxed_images(cars, cars, "yolo")
    return [item for item in found if (item.name.startswith("DJI") or item.name == "MOS174") == held_out]


def open_solar(folder: Path, *, held_out: bool = True) -> list[BoxedImage]:
    """Open solar panels: the last quarter by name when held out, because neighbours may show one town."""
    solar = folder / "solar_boxes_roboflow"
    found = sorted(read_boxed_images(solar / "images", solar / "labels", "yolo"), key=lambda item: item.name)
    first_held_out = len(found) * 3 // 4
    return found[first_held_out:] if held_out else found[:first_held_out]


def open_crowns(folder: Path) -> list[BoxedImage]:
    """Open the tree crowns of DeepForest that are for training; OSBS_029 is not among them."""
    forest = folder / "deepforest"
    files = {path.stem: path for path in (forest / f"{name}.png" for name in TRAINING_CROWNS)}
    return pair_boxed_images(files, forest, forest, "voc")


# Sets whose objects have boxes and no outlines.
KNOWN_BOXED_SETS = {
    "cars": KnownBoxedSet("Cars from drones, Munich", open_cars),
    "solar": KnownBoxedSet("Solar panels", open_solar),
}


def open_known_set(name: str, folder: Path) -> Dataset:
    """Open the held-out part of a set.

    Args:
        name: one of `KNOWN_SETS`.
        folder: holds all sets.

    Raises:
        BadDataset: there is no such set, or the folder does not have it.
        NotARaster: an image cannot be opened.
    """
    if name not in KNOWN_SETS:
        raise BadDataset(f'There is no set "{name}"; known are {", ".join(KNOWN_SETS)}.', "set")
    return KNOWN_SETS[name].open(folder)
