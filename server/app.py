"""The application factory: builds stores, queue and engine, and registers the routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import cast

from flask import Flask
from sqlalchemy import Engine

from server.cleaning.loop import CleaningThreads, Lifetimes
from server.cleaning.turns import take_turn
from server.clients.human_check import HumanCheck
from server.clients.kept_masks import KeptMasks
from server.clients.sessions import ClientStore
from server.clients.staging import clear_staging, staging_folder
from server.clients.usage import UsageReader
from server.database import open_database
from server.job_process.queue import ProcessQueue, Surroundings
from server.job_process.starting import start_process
from server.jobs.execution import Task
from server.jobs.job_queue import JobQueue
from server.jobs.limits import QueueLimits
from server.jobs.observed import observe, timed
from server.jobs.overview import JobOverview
from server.jobs.queue import LocalQueue
from server.jobs.sharing import ShareStore
from server.jobs.workers import WorkerTable
from server.observability.draining import Drain
from server.observability.measures import Measures, Sources
from server.rasters.tile_cache import TileCache
from server.routes.forwarded import ForwardedAddress
from server.routes.registry import Rates, register_routes
from server.routes.services import EXTENSION, Basemap, Operator, Predict, Services
from server.routes.uploads import ENVELOPE_BYTES, StreamingRequest
from server.settings import REPOSITORY, Settings
from server.uploads.receive import UploadLimits
from server.vocabulary.service import OpenVocabularyEngine
from server.wiring import JobEngine, build_tasks, open_stores

BACKGROUND = "segment_anything_rs_background"


@dataclass(frozen=True)
class Background:
    """What runs beside the requests: whoever works on jobs, and cleaning threads."""

    queue: JobQueue
    cleaning: CleaningThreads
    engine: Engine

    def start(self) -> None:
        """Start it; jobs that an earlier process left unfinished run again."""
        self.queue.start()
        self.cleaning.start()

    def stop(self, timeout_s: float) -> None:
        """Stop it and close the database; running jobs go back into the queue."""
        self.cleaning.stop()
        self.queue.stop(timeout_s)
        self.engine.dispose()


def create_app(
    settings: Settings,
    segmenter: JobEngine | None = None,
    page_folder: Path | None = None,
    predict: Predict | None = None,
) -> Flask:
    """Return the application; its background work starts with `find_background(app).start()`.

    Args:
        settings: the operator's choices.
        segmenter: takes the place of the engine in the jobs of tests, which then run in this process.
        page_folder: the built page; None means `front_end/dist`.
        predict: takes the place of the engine's in tests.

    Raises:
        BadParameter: the database or the storage of limits cannot be used.
    """
    app = Flask(__name__, static_folder=None)
    app.request_class = StreamingRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + ENVELOPE_BYTES
    app.config["MAX_FORM_PARTS"] = 100
    engine = OpenVocabularyEngine(
        settings.checkpoint_folder, settings.device, settings.embedding_cache_bytes, settings.precision
    )
    database = open_database(settings.database_place)
    if settings.is_alone:
        # Of uploads that an earlier process left; what one of several leaves, cleaning takes in time.
        clear_staging(settings.cache_folder)
    else:
        # The next click may come to another process.
        engine.keep_masks_in(KeptMasks(database))
    services, background = _build(settings, database, engine, page_folder, segmenter, predict or engine.predict)
    app.extensions[EXTENSION] = services
    app.extensions[BACKGROUND] = background
    app.wsgi_app = ForwardedAddress(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    register_routes(
        app,
        Rates(
            settings.ip_access_limit,
            settings.interactive_access_limit,
            settings.tile_access_limit,
            settings.limits_storage,
        ),
    )
    return app


def find_background(app: Flask) -> Background:
    """Return what `create_app` built to run beside the requests of `app`."""
    return cast(Background, app.extensions[BACKGROUND])


def find_drain(app: Flask) -> Drain:
    """Return what tells the requests of `app` that the service is about to stop."""
    return cast(Services, app.extensions[EXTENSION]).drain


def _build(
    settings: Settings,
    database: Engine,
    engine: OpenVocabularyEngine,
    page_folder: Path | None,
    segmenter: JobEngine | None,
    predict: Predict,
) -> tuple[Services, Background]:
    stores = open_stores(settings, database)
    tasks = build_tasks(settings, stores, segmenter or engine)
    measures = Measures(
        Sources(settings.cache_folder, JobOverview(database).count_states, engine.cache_hits, lambda: queue.process_id)
    )
    queue: JobQueue
    if segmenter is None and settings.is_alone and settings.job_process:
        queue = _build_process_queue(settings, database, tasks, stores.rasters.forget, measures)
    else:
        queue = _build_queue(
            settings, database, {kind: observe(task, timed(measures.note_job)) for kind, task in tasks.items()}
        )
    cleaning = _build_cleaning(settings, database, stores.clients, queue)
    services = Services(
        clients=stores.clients,
        human_check=HumanCheck(database),
        rasters=stores.rasters,
        annotations=stores.annotations,
        datasets=stores.datasets,
        queue=queue,
        upload_limits=UploadLimits(settings.max_upload_bytes, settings.max_pixels),
        segment_wait_s=settings.segment_wait_s,
        waiting_slots=BoundedSemaphore(settings.n_threads // 2),
        stream_slots=BoundedSemaphore(settings.n_threads // 4),
        shares=ShareStore(database),
        tiles=TileCache(settings.tile_cache_bytes),
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
            settings.operator_token,
            settings.metrics_from_loopback,
            UsageReader(database),
            JobOverview(database),
            WorkerTable(database),
        ),
    )
    return services, Background(queue, cleaning, database)


def _build_process_queue(
    settings: Settings,
    database: Engine,
    tasks: Mapping[str, Task],
    forget: Callable[[str], None],
    measures: Measures,
) -> JobQueue:
    limits = QueueLimits(settings.max_queued_jobs, settings.max_waiting_jobs)
    surroundings = Surroundings(lambda: start_process(settings), forget, measures.note_job)
    return ProcessQueue(database, tasks, surroundings, limits)


def _build_queue(settings: Settings, database: Engine, tasks: Mapping[str, Task]) -> JobQueue:
    limits = QueueLimits(settings.max_queued_jobs, settings.max_waiting_jobs)
    if settings.queue.engine == "local":
        return LocalQueue(database, tasks, n_workers=settings.job_workers, limits=limits)
    from server.cluster.messages import Messenger, make_celery  # a single process does without these packages
    from server.cluster.queue import CeleryQueue

    return CeleryQueue(database, tasks, Messenger(make_celery(settings.queue.broker)), limits)


def _build_cleaning(settings: Settings, database: Engine, clients: ClientStore, queue: JobQueue) -> CleaningThreads:
    interval_s = settings.cleaning_interval_s
    return CleaningThreads(
        clients,
        queue,
        settings.cache_folder,
        _lifetimes(settings),
        interval_s=interval_s,
        takes_turn=None if settings.is_alone else lambda kind, now: take_turn(database, kind, now, interval_s),
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    hour_s = 3600.0
    return Lifetimes(
        client_s=settings.client_lifetime_h * hour_s,
        visitor_s=settings.visitor_lifetime_h * hour_s,
        stale_file_s=settings.stale_file_lifetime_h * hour_s,
    )
