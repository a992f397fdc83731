"""Wires what jobs do to stores and engine, alike in the process that serves and in those that only work on jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shapely import MultiPolygon
from sqlalchemy import Engine

from server.annotations.edits import LayerEdit
from server.annotations.store import AnnotationStore
from server.clients.datasets import DatasetStore
from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.datasets.archives.unpacking import ArchiveLimits
from server.jobs.classify_task import Classifier, ClassifyTask
from server.jobs.dataset_task import DatasetTask
from server.jobs.execution import Task
from server.jobs.prompts_task import Kept, PromptsTask
from server.jobs.segment_task import LookTogether, SegmentTask
from server.jobs.tasks import Segmenter, SimilarTask
from server.segmentation.whole_raster.segmenting import LABELS
from server.settings import Settings
from server.uploads.examiners import shared_examiners
from server.vectors.annotated import AnnotatedObject, ObjectFacts


class JobEngine(Segmenter, Classifier, Protocol):
    """What does the work of all jobs."""


@dataclass(frozen=True)
class Stores:
    """What clients have, in database and cache folder."""

    clients: ClientStore
    rasters: RasterStore
    annotations: AnnotationStore
    datasets: DatasetStore


def open_stores(settings: Settings, database: Engine, tell_change: Callable[[str], None] | None = None) -> Stores:
    """Return the stores of a service.

    Args:
        settings: the operator's choices.
        database: theirs.
        tell_change: in a process that only works on jobs, tells the one that serves whose rasters' rows have changed;
            jobs change no other rows that are looked up for every request. None in all other processes.
    """
    is_alone = settings.is_alone and tell_change is None
    return Stores(
        ClientStore(database, settings.cache_folder, is_alone=is_alone),
        RasterStore(
            database,
            settings.cache_folder,
            client_quota_bytes=settings.client_quota_bytes,
            is_alone=is_alone,
            tell_change=tell_change,
        ),
        AnnotationStore(database),
        DatasetStore(database, settings.cache_folder),
    )


def build_tasks(
    settings: Settings, stores: Stores, engine: JobEngine, look_together: LookTogether | None = None
) -> dict[str, Task]:
    """Return kind of job -> what does it.

    Args:
        settings: the operator's choices.
        stores: what jobs read and change.
        engine: does the work.
        look_together: lets other processes help with whole rasters; None where there are none.
    """
    tasks = _make_tasks(stores.rasters, stores.annotations, engine, look_together)
    tasks["dataset"] = _make_dataset_task(settings, stores, engine)
    return tasks


def _make_tasks(
    rasters: RasterStore, annotations: AnnotationStore, engine: JobEngine, look_together: LookTogether | None
) -> dict[str, Task]:
    def find_source(client_id: str, raster_id: str) -> Path:
        return rasters.get(client_id, raster_id).source

    def publish(client_id: str, raster_id: str, folder: Path, summary: dict[str, Any]) -> None:
        rasters.replace_result(rasters.get(client_id, raster_id), folder, summary)

    def find_result(client_id: str, raster_id: str) -> tuple[Path, Path, int]:
        entry = rasters.get(client_id, raster_id)
        return entry.source, rasters.result_folder(entry) / LABELS, entry.n_results

    def find_kept(raster_id: str) -> list[MultiPolygon]:
        return [item.facts.outline for item in annotations.read(raster_id).objects]

    def read_layer(raster_id: str) -> Sequence[AnnotatedObject]:
        return annotations.read(raster_id).objects

    def keep(raster_id: str, objects: Sequence[ObjectFacts]) -> Kept:
        state = annotations.apply(raster_id, LayerEdit("prompts", added=objects))
        return Kept([item.id for item in state.objects], state.revision)

    return {
        "segment": SegmentTask(find_source, publish, engine, look_together),
        "classify": ClassifyTask(find_source, read_layer, publish, engine),
        "similar": SimilarTask(find_result, find_kept, engine),
        "prompts": PromptsTask(find_source, find_kept, keep, engine),
    }


def _make_dataset_task(settings: Settings, stores: Stores, engine: Segmenter) -> DatasetTask:
    def find_folder(client_id: str, dataset_id: str) -> Path:
        return stores.datasets.get(client_id, dataset_id).folder

    def keep_room(client_id: str, n_bytes: int) -> AbstractContextManager[None]:
        client = stores.clients.get(client_id)
        # A client that is gone has no job for long.
        return nullcontext() if client is None else stores.rasters.reserve(client, n_bytes)

    return DatasetTask(
        find_folder=find_folder,
        finish=stores.datasets.finish,
        keep_room=keep_room,
        segmenter=engine,
        checkpoint_folder=settings.checkpoint_folder,
        limits=ArchiveLimits(
            settings.max_upload_bytes, settings.max_pixels, check_image=shared_examiners().check_image
        ),
    )
