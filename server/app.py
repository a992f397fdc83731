"""The application factory: builds stores, queue and engine, and registers the routes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, cast

from flask import Flask
from sqlalchemy import Engine

from server.cleaning.loop import CleaningThreads
from server.clients.human_check import HumanCheck
from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.database import open_database
from server.jobs.queue import LocalQueue
from server.jobs.tasks import Segment, SegmentTask
from server.routes.registry import Rates, register_routes
from server.routes.services import EXTENSION, Services
from server.routes.uploads import ENVELOPE_BYTES, StreamingRequest
from server.segmentation.engine import SegmentationEngine
from server.settings import REPOSITORY, Settings
from server.uploads.receive import UploadLimits

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


def create_app(settings: Settings, segment: Segment | None = None, page_folder: Path | None = None) -> Flask:
    """Return the application; its background work starts with `find_background(app).start()`.

    Args:
        settings: the operator's choices.
        segment: takes the engine's place in tests.
        page_folder: the built page; None means `front_end/dist`.
    """
    app = Flask(__name__, static_folder=None)
    app.request_class = StreamingRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + ENVELOPE_BYTES
    app.config["MAX_FORM_PARTS"] = 100
    engine = SegmentationEngine(settings.checkpoint_folder, settings.device, settings.embedding_cache_bytes)
    services, background = _build(settings, segment or engine.segment, engine, page_folder)
    app.extensions[EXTENSION] = services
    app.extensions[BACKGROUND] = background
    register_routes(
        app,
        Rates(settings.ip_access_limit, settings.interactive_access_limit, settings.tile_access_limit),
    )
    return app


def find_background(app: Flask) -> Background:
    """Return what `create_app` built to run beside the requests of `app`."""
    return cast(Background, app.extensions[BACKGROUND])
