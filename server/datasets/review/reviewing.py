"""What a person does with one object of a dataset: look at it, decide, correct it with clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from server.datasets.archives.places import DatasetPlaces
from server.datasets.building.annotations import Annotation
from server.datasets.building.records import ImageRecord, read_record
from server.datasets.detections.fitting import Target
from server.datasets.review.correcting import make_correction, make_prompts
from server.datasets.review.exporting import Export
from server.datasets.review.masks import read_target
from server.datasets.review.objects import ReviewObject, ReviewObjects
from server.datasets.review.pictures import draw_object, plan_view
from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.prompts import GivenPrompts

# Image and prompts -> GeoJSON of the best mask with its predicted IoU; None where there is none.
AskClicks = Callable[[Path, GivenPrompts], tuple[dict[str, Any], float] | None]


class Review:
    """One finished dataset as reviewers see it."""

    def __init__(self, places: DatasetPlaces) -> None:
        """Take the places of the dataset; nothing is read yet."""
        self._places = places
        self.objects = ReviewObjects(places.objects)

    def describe(self, objects: Sequence[ReviewObject]) -> list[dict[str, Any]]:
        """Return objects as clients are told about them, each with the part of the image that its picture shows."""
        records = {name: read_record(self._places.built, name) for name in {item.image for item in objects}}
        return [self._describe(item, records[item.image]) for item in objects]

    def draw(self, number: int, *, is_outlined: bool) -> bytes:
        """Return a PNG of the image around an object.

        Raises:
            NoSuchDataset: there is no object of this number.
            NotARaster: the image cannot be read.
        """
        found = self.objects.get(number)
        record = read_record(self._places.built, found.image)
        annotation, target = _look_up(found, record)
        view = _choose_view(found, record)
        return draw_object(self._find_image(record), annotation, target, view, is_outlined=is_outlined)

    def correct(self, number: int, points: Sequence[Sequence[float]], ask: AskClicks) -> ReviewObject:
        """Replace the mask of an object by that of clicks, and accept it.

        Args:
            number: of the object.
            points: x, y in pixels of the image, and 1 (inside) or 0 (outside).
            ask: the network.

        Raises:
            NoSuchDataset: there is no object of this number.
            BadParameter: the points make no sense on the image, or show nothing.
        """
        found = self.objects.get(number)
        record = read_record(self._places.built, found.image)
        built = _find_annotation(found, record)
        target = read_target(built, found.image, record.size)
        image = self._find_image(record)
        answer = ask(image, make_prompts(points, target))
        if answer is None:
            raise BadParameter("The network finds nothing there; click on the object.", "points")
        correction = make_correction(*answer, image, built, target)
        return self.objects.correct(number, correction, points)

    def make_export(self) -> Export:
        """Return the files of the dataset, decisions applied."""
        places = self._places
        return Export(places.built, places.find_images(), self.objects, places.reviewed)

    def _find_image(self, record: ImageRecord) -> Path:
        return self._places.find_images() / record.file_name

    def _describe(self, found: ReviewObject, record: ImageRecord) -> dict[str, Any]:
        annotation, target = _look_up(found, record)
        return {
            "id": found.number,
            "image": record.file_name,
            "class": found.class_name,
            "predicted_iou": annotation["score"],
            "bbox": annotation["bbox"],
            "box": [round(value, 2) for value in target.box],
            "state": found.state,
            "gate": found.gate,
            "is_corrected": found.correction is not None,
            "points": found.points,
            "revision": found.revision,
            "view": list(_choose_view(found, record)),
        }


def _look_up(found: ReviewObject, record: ImageRecord) -> tuple[Annotation, Target]:
    """Return an object's annotation with the mask it has now, and what was asked for."""
    built = _find_annotation(found, record)
    return {**built, **(found.correction or {})}, read_target(built, found.image, record.size)


def _choose_view(found: ReviewObject, record: ImageRecord) -> PixelWindow:
    """Return the part of the image that shows an object; clicks do not move it as long as their mask lies inside."""
    annotation, target = _look_up(found, record)
    view = plan_view(_find_annotation(found, record), target, record.size)
    left, top, width, height = annotation["bbox"]
    across = view.col <= left and left + width <= view.col + view.width
    down = view.row <= top and top + height <= view.row + view.height
    return view if across and down else plan_view(annotation, target, record.size)


def _find_annotation(found: ReviewObject, record: ImageRecord) -> Annotation:
    return next(item for item in record.annotations if item["instance_id"] == found.instance_id)
