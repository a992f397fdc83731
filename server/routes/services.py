"""What the routes work with, built once by the application factory and found through the current app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import cast
from urllib.parse import urlsplit

from flask import current_app

from server.annotations.store import AnnotationStore
from server.clients.datasets import DatasetStore
from server.clients.human_check import HumanCheck
from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.clients.usage import UsageReader
from server.jobs.job_queue import JobQueue
from server.jobs.overview import JobOverview
from server.jobs.sharing import ShareStore
from server.jobs.workers import WorkerTable
from server.observability.draining import Drain
from server.observability.measures import Measures
from server.rasters.tile_cache import TileCache
from server.segmentation.prompting.answering import PromptAnswer, PromptRequest
from server.uploads.receive import UploadLimits

Predict = Callable[[Path, PromptRequest], PromptAnswer]
EXTENSION = "segment_anything_rs"


@dataclass(frozen=True)
class Basemap:
    """Web-Mercator tiles of another server, shown below rasters on request.

    Attributes:
        url: address with `{x}`, `{y}` and `{z}`; empty for none.
        attribution: what its licence asks to be shown.
    """

    url: str
    attribution: str

    @property
    def origin(self) -> str:
        """Scheme and host for a content security policy; empty for no map. `{s}`-style host parts become any host."""
        scheme, host = urlsplit(self.url)[:2]
        if "{" in host:
            host = "*." + host.rpartition("}")[2].lstrip(".")
        return f"{scheme}://{host}" if self.url else ""


@dataclass(frozen=True)
class Operator:
    """What only the operator may see, and how the operator is known.

    Attributes:
        token: empty switches the operator's pages off.
        metrics_from_loopback: whether `/metrics` also answers requests from this machine without a token.
    """

    token: str
    metrics_from_loopback: bool
    usage: UsageReader
    jobs: JobOverview
    workers: WorkerTable


@dataclass(frozen=True)
class Services:
    """Stores, queue and values a route may use.

    Attributes:
        segment_wait_s: how long `/segment` waits for its job.
        waiting_slots: one slot per request that may wait for its job; see `/segment`.
        stream_slots: one slot per page that may follow a job by events; each of them takes a slot for waiting, too.
        shares: links to results.
        tiles: draws map tiles, and keeps them for the next look.
        predict: the engine's answer to prompts; takes the raster's file and the request.
        device_name: tells the device without waking a network.
        page_folder: the built single-page app.
        staging_folder: where uploads stream to before they belong to a raster.
        measures: counts requests and jobs.
        drain: tells that the service is about to stop.
        operator: what only the operator may see.
    """

    clients: ClientStore
    human_check: HumanCheck
    rasters: RasterStore
    annotations: AnnotationStore
    datasets: DatasetStore
    queue: JobQueue
    upload_limits: UploadLimits
    segment_wait_s: float
    waiting_slots: BoundedSemaphore
    stream_slots: BoundedSemaphore
    shares: ShareStore
    tiles: TileCache
    predict: Predict
    device_name: Callable[[], str]
    checkpoint_folder: Path
    default_checkpoint: str
    page_folder: Path
    staging_folder: Path
    asks_question: bool
    api_tokens: tuple[str, ...]
    basemap: Basemap
    measures: Measures
    drain: Drain
    operator: Operator


def services() -> Services:
    """Return the services of the app that answers the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
