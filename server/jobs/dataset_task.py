"""What the job "dataset" does: unpack an archive, build masks from its boxes, and lay them out for review."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import __version__
from server.datasets.archives.finding import find_parts
from server.datasets.archives.places import DatasetPlaces
from server.datasets.archives.unpacking import ArchiveLimits, look_into, unpack
from server.datasets.archives.vector_boxes import copy_vector_boxes
from server.datasets.building.building import DatasetBuilder, Source
from server.datasets.building.data_sheet import Making, Provenance
from server.datasets.building.layout import digest_file
from server.datasets.building.opening import open_source
from server.datasets.building.records import read_record
from server.datasets.building.summary import BuildSummary
from server.datasets.errors import BadDataset
from server.datasets.images import find_files
from server.datasets.review.exporting import list_images
from server.datasets.review.objects import ReviewObjects
from server.errors import UserError
from server.jobs.dataset_network import BuildProgress, InTurns
from server.jobs.dataset_options import DatasetOptions, describe_summary, read_settings
from server.jobs.records import JobRecord
from server.jobs.tasks import Report, Segmenter
from server.segmentation.networks.checkpoints import find_checkpoint

# Shares of the progress that unpacking and reading labels end with; the rest is for asking.
UNPACKED, LABELS_READ = 0.1, 0.12
IMAGES_BETWEEN_SIZE_CHECKS = 20
GROUPING = "one by one, every image being an area of its own"
# What the builder names where its folder was begun with another plan.
OTHER_PLAN = "out"


@dataclass(frozen=True)
class DatasetTask:
    """Build the dataset of an archive that a client sent.

    Attributes:
        find_folder: (client id, dataset id) -> its folder.
        finish: (client id, dataset id, summary) -> makes the finished dataset known.
        keep_room: (client id, bytes) -> a context in which so many bytes are free in the client's quota.
        segmenter: the engine.
        checkpoint_folder: where the checkpoints lie.
        limits: of archives.
    """

    find_folder: Callable[[str, str], Path]
    finish: Callable[[str, str, dict[str, Any]], None]
    keep_room: Callable[[str, int], AbstractContextManager[None]]
    segmenter: Segmenter
    checkpoint_folder: Path
    limits: ArchiveLimits

    def __call__(self, record: JobRecord, report: Report) -> dict[str, Any]:
        """Run the job; after an interruption it goes on with the first image that is not finished.

        Raises:
            NoSuchDataset: the dataset was deleted meanwhile.
            UserError: the archive, its labels or its images are at fault.
            Cancelled: the client cancelled the job.
        """
        dataset = record.request["dataset"]
        places = DatasetPlaces(self.find_folder(record.client, dataset))
        try:
            n_left_out = self._unpack(record.client, places, report)
            summary = self._build(record, places, report)
        except UserError as error:
            # Where the server keeps files is nobody's business.
            error.message = error.message.replace(f"{places.unpacked}/", "").replace(f"{places.unpacked}", "it")
            raise
        report(1.0, "preparing the review")
        told = describe_summary(summary, _prepare_review(places).measure().mean_score, n_left_out)
        self.finish(record.client, dataset, told)
        return {"dataset": dataset, **told}

    def _unpack(self, client: str, places: DatasetPlaces, report: Report) -> int:
        """Unpack the archive, unless an earlier attempt did; return how many of its files are of no use."""
        if not places.archive.is_file():
            return places.read_left_out()
        content = look_into(places.archive, self.limits)
        shutil.rmtree(places.unpacked, ignore_errors=True)
        places.unpacked.mkdir()
        n_files = len(content.entries)
        with self.keep_room(client, content.n_bytes):
            unpack(
                places.archive,
                content,
                places.unpacked,
                self.limits,
                lambda n_unpacked: report(UNPACKED * n_unpacked / n_files, "unpacking the archive"),
            )
        places.forget_archive(len(content.left_out))
        return len(content.left_out)

    def _build(self, record: JobRecord, places: DatasetPlaces, report: Report) -> BuildSummary:
        options: DatasetOptions = record.request["options"]
        report(UNPACKED, "reading labels")
        source = _open(options, places)
        progress = BuildProgress(report, len(source.images), LABELS_READ)
        report(LABELS_READ, "loading the network")
        network = self.segmenter.make_batch_network(options["checkpoint"], progress.check)
        weights = find_checkpoint(self.checkpoint_folder, options["checkpoint"])
        making = Making(options["format"], options["checkpoint"], digest_file(weights), __version__, GROUPING)
        builder = DatasetBuilder(source, read_settings(options), making, places.built.root)

        def tell(n_finished: int) -> None:
            progress.tell(n_finished)
            if n_finished % IMAGES_BETWEEN_SIZE_CHECKS == 0:
                with self.keep_room(record.client, 0):
                    pass  # that there is room is all there is to know

        def build() -> BuildSummary:
            return builder.build(InTurns(network, progress.check), Provenance(title=options["name"]), tell)

        try:
            return build()
        except BadDataset as error:
            if error.field != OTHER_PLAN:
                raise
            # Begun by another version of this software, or with a checkpoint that was replaced.
            shutil.rmtree(places.built.root)
            places.objects.unlink(missing_ok=True)
            return build()


def _open(options: DatasetOptions, places: DatasetPlaces) -> Source:
    found = find_parts(places.unpacked, options["format"])
    places.remember_images(found.images)
    boxes = found.boxes
    if options["format"] == "geojson":
        first = next(iter(find_files(found.images).values()))
        boxes = copy_vector_boxes(boxes, first, places.vector_boxes)
    return open_source(found.images, boxes, options["format"], options["classes"] or found.classes, None)


def _prepare_review(places: DatasetPlaces) -> ReviewObjects:
    """Return the objects to be reviewed; decisions that were made before this attempt stay."""
    if places.objects.is_file():
        return ReviewObjects(places.objects)
    names = list_images(places.built)
    return ReviewObjects.create(places.objects, (read_record(places.built, name) for name in names))
