"""The application factory: builds stores, queue and engine, and registers the routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Protocol, cast

from flask import Flask
from shapely import MultiPolygon
from sqlalchemy import Engine

from server.annotations.edits import LayerEdit
from server.annotations.store import AnnotationStore
from server.cleaning.loop import CleaningThreads, Lifetimes
from server.clients.datasets import DatasetStore
from server.clients.human_check import HumanCheck
from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.clients.staging import clear_staging, staging_folder
from server.clients.usage import UsageReader
from server.database import open_database
from server.datasets.archives.unpacking import ArchiveLimits
from server.jobs.classify_task import Classifier, ClassifyTask
from server.jobs.dataset_task import DatasetTask
from server.jobs.execution import Task
from server.jobs.observed import observe
from server.jobs.overview import JobOverview
from server.jobs.prompts_task import Kept, PromptsTask
from server.jobs.queue import LocalQueue
from server.jobs.sharing import ShareStore
from server.jobs.tasks import Segmenter, SegmentTask, SimilarTask
from server.observability.draining import Drain
from server.observability.measures import Measures, Sources
from server.routes.forwarded import ForwardedAddress
from server.routes.registry import Rates, register_routes
from server.routes.services import EXTENSION, Basemap, Operator, Predict, Services
from server.routes.uploads import ENVELOPE_BYTES, StreamingRequest
from server.segmentation.whole_raster.segmenting import LABELS
from server.settings import REPOSITORY, Settings
from server.uploads.examiners import shared_examiners
from server.uploads.receive import UploadLimits
from server.vectors.annotated import AnnotatedObject, ObjectFacts
from server.vocabulary.service import OpenVocabularyEngine

BACKGROUND = "segment_anything_rs_background"


@dataclass(frozen=True)
class Background:
    """What runs beside the requests: job workers and cleaning threads."""

    queue: LocalQueue
    cleaning: CleaningThreads
    engine: Engine

    def start(self) -> None:
        """Start the threads; jobs that an earlier process left unfinished run again."""
        self.queue.start()
        self.cleaning.start()

    def stop(self, timeout_s: float) -> None:
        """Stop the threads and close the database; running jobs go back into the queue."""
        self.cleaning.stop()
        self.queue.stop(timeout_s)
        self.engine.dispose()


class Worker(Segmenter, Classifier, Protocol):
    """What does the work of all jobs."""


def create_app(
    settings: Settings,
    segmenter: Worker | None = None,
    page_folder: Path | None = None,
    predict: Predict | None = None,
) -> Flask:
    """Return the application; its background work starts with `find_background(app).start()`.

    Args:
        settings: the operator's choices.
        segmenter: takes the place of the engine in the jobs of tests.
        page_folder: the built page; None means `front_end/dist`.
        predict: takes the place of the engine's in tests.
    """
    app = Flask(__name__, static_folder=None)
    app.request_class = StreamingRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + ENVELOPE_BYTES
    app.config["MAX_FORM_PARTS"] = 100
    engine = OpenVocabularyEngine(
        settings.checkpoint_folder, settings.device, settings.embedding_cache_bytes, settings.precision
    )
    services, background = _build(settings, engine, page_folder, segmenter or engine, predict or engine.predict)
    app.extensions[EXTENSION] = services
    app.extensions[BACKGROUND] = background
    app.wsgi_app = ForwardedAddress(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    register_routes(
        app,
        Rates(settings.ip_access_limit, settings.interactive_access_limit, settings.tile_access_limit),
    )
    return app


def find_background(app: Flask) -> Background:
    """Return what `create_app` built to run beside the requests of `app`."""
    return cast(Background, app.extensions[BACKGROUND])


def find_drain(app: Flask) -> Drain:
    """Return what tells the requests of `app` that the service is about to stop."""
    return cast(Services, app.extensions[EXTENSION]).drain


def _build(
    settings: Settings, engine: OpenVocabularyEngine, page_folder: Path | None, segmenter: Worker, predict: Predict
) -> tuple[Services, Background]:
    database = open_database(settings.cache_folder / "service.sqlite")
    clients = ClientStore(database, settings.cache_folder)
    rasters = RasterStore(database, client_quota_bytes=settings.client_quota_bytes)
    annotations = AnnotationStore(database)
    datasets = DatasetStore(database)
    tasks = _make_tasks(rasters, annotations, segmenter)
    tasks["dataset"] = _make_dataset_task(settings, clients, rasters, datasets, segmenter)
    measures = Measures(Sources(settings.cache_folder, JobOverview(database).count_states, engine.cache_hits))
    queue = _build_queue(settings, database, {kind: observe(task, measures.timed_job) for kind, task in tasks.items()})
    cleaning = CleaningThreads(
        clients, queue, settings.cache_folder, _lifetimes(settings), interval_s=settings.cleaning_interval_s
    )
    clear_staging(settings.cache_folder)
    services = Services(
        clients=clients,
        human_check=HumanCheck(database),
        rasters=rasters,
        annotations=annotations,
        datasets=datasets,
        queue=queue,
        upload_limits=UploadLimits(settings.max_upload_bytes, settings.max_pixels),
        segment_wait_s=settings.segment_wait_s,
        waiting_slots=BoundedSemaphore(settings.n_threads // 2),
        stream_slots=BoundedSemaphore(settings.n_threads // 4),
        shares=ShareStore(database),
        predict=predict,
        device_name=engine.device_name,
        checkpoint_folder=settings.checkpoint_folder,
        default_checkpoint=settings.checkpoint,
        page_folder=page_folder or REPOSITORY / "front_end" / "dist",
        staging_folder=staging_folder(settings.cache_folder),
        asks_question=settings.human_check,
        api_tokens=settings.api_tokens,
        basemap=Basemap(settings.basemap_url, settings.basemap_attribution),
        measures=measures,
        drain=Drain(),
        operator=Operator(
            settings.operator_token, settings.metrics_from_loopback, UsageReader(database), JobOverview(database)
        ),
    )
    return services, Background(queue, cleaning, database)


def _build_queue(settings: Settings, database: Engine, tasks: Mapping[str, Task]) -> LocalQueue:
    return LocalQueue(
        database,
        tasks,
        n_workers=settings.job_workers,
        max_queued_per_client=settings.max_queued_jobs,
        max_waiting=settings.max_waiting_jobs,
    )


def _make_tasks(rasters: RasterStore, annotations: AnnotationStore, segmenter: Worker) -> dict[str, Task]:
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
        "segment": SegmentTask(find_source, publish, segmenter),
        "classify": ClassifyTask(find_source, read_layer, publish, segmenter),
        "similar": SimilarTask(find_result, find_kept, segmenter),
        "prompts": PromptsTask(find_source, find_kept, keep, segmenter),
    }


def _make_dataset_task(
    settings: Settings, clients: ClientStore, rasters: RasterStore, datasets: DatasetStore, segmenter: Segmenter
) -> DatasetTask:
    def find_folder(client_id: str, dataset_id: str) -> Path:
        return datasets.get(client_id, dataset_id).folder

    def keep_room(client_id: str, n_bytes: int) -> AbstractContextManager[None]:
        client = clients.get(client_id)
        # A client that is gone has no job for long.
        return nullcontext() if client is None else rasters.reserve(client, n_bytes)

    return DatasetTask(
        find_folder=find_folder,
        finish=datasets.finish,
        keep_room=keep_room,
        segmenter=segmenter,
        checkpoint_folder=settings.checkpoint_folder,
        limits=ArchiveLimits(
            settings.max_upload_bytes, settings.max_pixels, check_image=shared_examiners().check_image
        ),
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    hour_s = 3600.0
    return Lifetimes(
        client_s=settings.client_lifetime_h * hour_s,
        visitor_s=settings.visitor_lifetime_h * hour_s,
        stale_file_s=settings.stale_file_lifetime_h * hour_s,
    )
