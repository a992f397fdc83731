"""Keeps what became of each image's detections, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.datasets.building.annotations import Annotation, describe_instance
from server.datasets.building.instances import Instance
from server.datasets.building.layout import Layout, write_json
from server.datasets.detections.fitting import Fitted
from server.datasets.images import SceneImage


@dataclass(frozen=True)
class ImageRecord:
    """What became of one image.

    Attributes:
        name: of the image.
        file_name: its path below the folder of images.
        size: width and height.
        group: the area it belongs to.
        fingerprint: of its detections and its file.
        faults: how many detections of each kind of fault.
        notes: sentences about these, in the order of the labels.
        annotations: kept and rejected ones, in the order of their ids.
    """

    name: str
    file_name: str
    size: tuple[int, int]
    group: str
    fingerprint: str
    faults: dict[str, int]
    notes: list[str]
    annotations: list[Annotation]

    @property
    def kept(self) -> list[Annotation]:
        """Annotations that passed the gate."""
        return [annotation for annotation in self.annotations if "rejected" not in annotation]

    @property
    def rejected(self) -> list[Annotation]:
        """Annotations that did not."""
        return [annotation for annotation in self.annotations if "rejected" in annotation]


def make_record(image: SceneImage, file_name: str, fitted: Fitted, instances: Sequence[Instance]) -> ImageRecord:
    """Return the record of an image whose instances have been judged."""
    return ImageRecord(
        name=image.name,
        file_name=file_name,
        size=image.size,
        group=image.group,
        fingerprint=make_fingerprint(image, fitted),
        faults=dict(sorted(Counter(fault.name.lower() for fault, _ in fitted.faults).items())),
        notes=[sentence for _, sentence in fitted.faults],
        annotations=[describe_instance(instance, image.size) for instance in instances],
    )


def make_fingerprint(image: SceneImage, fitted: Fitted) -> str:
    """Return a digest of what a record depends on beside the plan: the detections, and the size of the image's file."""
    told: list[Any] = [image.path.stat().st_size, image.size, image.group]
    told += [
        (target.detection.class_name, target.detection.corners.tolist(), target.detection.is_difficult)
        for target in fitted.targets
    ]
    told += [sentence for _, sentence in fitted.faults]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def write_record(layout: Layout, record: ImageRecord) -> None:
    """Write a record; after that the image is finished."""
    content = {key: value for key, value in vars(record).items() if key != "name"}
    write_json(layout.record(record.name), content)


def read_record(layout: Layout, name: str) -> ImageRecord:
    """Return the record of a finished image."""
    content = json.loads(layout.record(name).read_text(encoding="utf-8"))
    content["size"] = tuple(content["size"])
    return ImageRecord(name=name, **content)


def is_finished(layout: Layout, name: str, fingerprint: str) -> bool:
    """Tell whether an image was finished with the same detections."""
    return layout.record(name).is_file() and read_record(layout, name).fingerprint == fingerprint
