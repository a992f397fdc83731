"""What the job "classify" does: a class for every pixel of a raster, found by words or by example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import shapely

from server.errors import WrongMoment
from server.jobs.records import JobRecord
from server.jobs.tasks import Report, job_folder
from server.rasters.windows import PixelWindow
from server.vectors.annotated import AnnotatedObject
from server.vocabulary.asking import ExampleShape, Knobs, VocabularyRequest, VocabularyResult
from server.vocabulary.class_list import ClassList

Example = tuple[int, ExampleShape]


class Classifier(Protocol):
    """Turns a raster into classes, files under `folder`; see `server.vocabulary.service`."""

    def classify(self, source: Path, folder: Path, request: VocabularyRequest, report: Report) -> VocabularyResult:
        """Give every pixel a class and return the summary of the result."""
        ...


@dataclass(frozen=True)
class ClassifyTask:
    """Classify one raster of a client.

    Attributes:
        find_source: (client id, raster id) -> the raster's file, the latest state of its side files included.
        read_layer: raster id -> the objects of its annotation layer.
        publish: (client id, raster id, folder, summary) -> puts the finished folder in place of the older result.
        classifier: the engine.
    """

    find_source: Callable[[str, str], Path]
    read_layer: Callable[[str], Sequence[AnnotatedObject]]
    publish: Callable[[str, str, Path, dict[str, Any]], None]
    classifier: Classifier

    def __call__(self, record: JobRecord, report: Report) -> dict[str, Any]:
        """Run the job; whatever way it ends, nothing half-done stays behind.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile.
            WrongMoment: objects that should be examples were deleted meanwhile.
            Cancelled: the client cancelled the job.
        """
        raster_id = record.request["raster_id"]
        source = self.find_source(record.client, raster_id)
        request = read_classify_request(record.request, self._find_examples(record.request))
        with job_folder(source, record.job) as folder:
            result = self.classifier.classify(source, folder, request, report)
            summary = {
                **asdict(result),
                "job": record.job,
                "raster": record.raster,
                **describe_classification(record.request),
            }
            self.publish(record.client, raster_id, folder, summary)
        return summary

    def _find_examples(self, request: dict[str, Any]) -> list[Example] | None:
        """Return the clicks of the request and the objects it means; None where it goes by words."""
        if request["prompt"] == "text":
            return None
        numbers = {item["name"]: number for number, item in enumerate(request["classes"])}
        found: list[Example] = [
            (numbers[item["class"]], shapely.Point(point)) for item in request["examples"] for point in item["points"]
        ]
        wanted = {item["class"] for item in request["examples"] if item["annotations"]}
        if wanted:
            objects = [item.facts for item in self.read_layer(request["raster_id"])]
            found += [(numbers[facts.class_name], facts.outline) for facts in objects if facts.class_name in wanted]
            missing = wanted - {facts.class_name for facts in objects}
            if missing:
                raise WrongMoment(f'Meanwhile all objects of class "{min(missing)}" were deleted.', "examples")
        return found


def read_classify_request(request: dict[str, Any], examples: Sequence[Example] | None) -> VocabularyRequest:
    """Return the engine's request from a job's stored one and the examples it means."""
    return VocabularyRequest(
        band_indexes=tuple(request["band_indexes"]),
        classes=ClassList(tuple((item["name"], *item["synonyms"]) for item in request["classes"])),
        colours=tuple(read_colour(item["color"]) for item in request["classes"]),
        checkpoint=request["checkpoint"],
        examples=examples,
        model=request["model"],
        knobs=Knobs(**request["parameters"]),
        refine=request["refine"],
        window=PixelWindow(*request["window"]) if request["window"] else None,
        area=request["area"],
        resolution_m=request["resolution_m"],
    )


def read_colour(text: str) -> tuple[int, int, int]:
    """Return red, green, blue, 0..255 each, of a colour like "#1f77b4"."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def describe_classification(request: dict[str, Any]) -> dict[str, Any]:
    """Return how a result was made, in the words of `/classify`."""
    names = ("out_raster", "checkpoint", "parameters", "prompt", "model", "refine", "window", "area", "resolution_m")
    return {
        **{name: request[name] for name in names},
        "rgb_index": request["band_indexes"],
        "mode": "classes",
        "class_name": None,
        "full_cover": False,
    }
