"""Turns the body of `/classify` into a job's request: defaults filled in, everything checked before a job waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from server.annotations.classes import clean_class_name, extend_classes
from server.clients.rasters import RasterEntry
from server.errors import BadParameter, CheckpointMissing
from server.rasters.area import read_area
from server.rasters.ground_resolution import read_pixel_size_m
from server.rasters.windows import check_window
from server.routes.classify_body import ClassifyBody, SentVocabularyClass
from server.routes.segment_request import check_file_name, choose_bands, choose_checkpoint
from server.routes.services import services
from server.vectors.placement import read_place
from server.vocabulary.asking import Knobs
from server.vocabulary.class_list import ClassList
from server.vocabulary.clip_files import choose_model

PARAMETERS = tuple(Knobs.__dataclass_fields__)


def make_classify_request(body: ClassifyBody, entry: RasterEntry) -> dict[str, object]:
    """Return the job's request with every default filled in, ready for JSON.

    Args:
        body: what the client sent.
        entry: the raster it means.

    Raises:
        BadParameter: a field is out of range, has no meaning with this prompt, or does not fit the raster.
        CheckpointMissing: the file of the checkpoint or, with words, of CLIP is not on this server.
    """
    check_file_name(body.out_raster)
    classes = _read_classes(body.classes)
    _refuse_other_prompt(body)
    knobs = Knobs(**{name: getattr(body, name) for name in PARAMETERS})
    knobs.choose_settings([row["name"] for row in classes])
    window = check_window(entry.source, body.window) if body.window is not None else None
    if body.area is not None:
        read_area(entry.source, body.area)
    if body.resolution_m is not None:
        read_pixel_size_m(entry.source)
    return {
        "raster_id": entry.id,
        "out_raster": body.out_raster,
        "prompt": body.prompt,
        "classes": classes,
        "examples": _read_examples(body, entry, [row["name"] for row in classes]),
        "band_indexes": list(choose_bands(entry.source, body.rgb_index)),
        "checkpoint": choose_checkpoint(body.checkpoint),
        "model": _choose_model(body.model) if body.prompt == "text" else None,
        "parameters": asdict(knobs),
        "refine": body.refine,
        "window": window,
        "area": body.area,
        "resolution_m": body.resolution_m,
    }


def _read_classes(sent: Sequence[SentVocabularyClass]) -> list[dict[str, Any]]:
    """Return classes with clean words, each with a colour.

    Raises:
        BadParameter: a word is empty, or stands for two classes.
    """
    words = [tuple(clean_class_name(word) for word in (item.name, *item.synonyms)) for item in sent]
    names = ClassList(tuple(words)).names
    return [
        {"name": row[0], "synonyms": list(row[1:]), "color": (item.color or free.color).lower()}
        for item, row, free in zip(sent, words, extend_classes([], names), strict=True)
    ]


def _refuse_other_prompt(body: ClassifyBody) -> None:
    """Refuse what the prompt could not obey, so that no one believes it had an effect."""
    field = "examples" if body.prompt == "text" else "model"
    if getattr(body, field):
        raise BadParameter(f'"{field}" has no meaning with the prompt "{body.prompt}"; leave it out.', field)


def _choose_model(asked: str | None) -> str:
    folder = services().checkpoint_folder
    try:
        return choose_model(folder, asked)
    except CheckpointMissing as error:
        raise CheckpointMissing(hide_folder(error.message), error.field) from error


def hide_folder(sentence: str) -> str:
    """Return a sentence without where on the server its checkpoints lie."""
    folder = services().checkpoint_folder
    return sentence.replace(str(folder), folder.name)


def _read_examples(body: ClassifyBody, entry: RasterEntry, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the examples of all classes, points in pixels of the raster.

    Raises:
        BadParameter: one is of no class or not on the raster, or a class has none.
    """
    if body.prompt == "text":
        return []
    in_layer = _classes_in_layer(entry) if any(item.annotations for item in body.examples) else set()
    found: list[dict[str, Any]] = []
    for index, item in enumerate(body.examples):
        name, place = clean_class_name(item.class_name), f"examples[{index}]"
        if name not in names:
            raise BadParameter(f'{place} is of "{name}"; the classes are {", ".join(names)}.', "examples")
        if item.annotations and name not in in_layer:
            raise BadParameter(
                f'{place}: the annotation layer has no object of class "{name}"; accept or draw one, or click.',
                "examples",
            )
        points = _place_points(item.points, body.space, entry, place)
        found.append({"class": name, "points": points, "annotations": item.annotations})
    given = {item["class"] for item in found if item["points"] or item["annotations"]}
    missing = [name for name in names if name not in given]
    if missing:
        raise BadParameter(f"No example was given of: {', '.join(missing)}. Click at least one.", "examples")
    return found


def _classes_in_layer(entry: RasterEntry) -> set[str | None]:
    return {item.facts.class_name for item in services().annotations.read(entry.id).objects}


def _place_points(points: Sequence[Sequence[float]], space: str, entry: RasterEntry, place: str) -> list[list[float]]:
    """Return points in pixels of the raster."""
    given = np.array(points, np.float64).reshape(-1, 2)
    placement, (width, height) = read_place(entry.source)
    pixels = given
    if space == "map" and placement.is_georeferenced and len(given):
        with np.errstate(invalid="ignore"):  # degrees that have no place in the raster's CRS
            pixels = placement.to_pixel(placement.from_lonlat(given))
    # False for NaN, too.
    is_inside = (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1)
    if not is_inside.all():
        index = int(np.argmin(is_inside))
        raise BadParameter(
            f"{place}.points[{index}] {given[index, 0]:.9g}, {given[index, 1]:.9g} is not on the raster of {width} x "
            f"{height} pixels; click inside it.",
            "examples",
        )
    placed: list[list[float]] = np.round(pixels, 3).tolist()
    return placed
