"""Every blueprint, and which rate each view falls under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits.errors import ConfigurationError

from server.errors import BadParameter
from server.routes import (
    annotation_files,
    annotation_layers,
    annotation_prompts,
    basemap,
    checkpoints,
    datasets,
    datasets_review,
    health,
    human_check,
    job_events,
    jobs,
    metrics,
    openapi,
    operator,
    pages,
    predict,
    rasters,
    results,
    segment,
    shared_results,
    similar,
    tiles,
    uploads,
    vocabulary,
)
from server.routes.errors import register_error_answers
from server.routes.guards import register_guards
from server.routes.watching import register_watching

MODULES = (
    pages,
    human_check,
    health,
    openapi,
    uploads,
    rasters,
    tiles,
    segment,
    predict,
    jobs,
    job_events,
    results,
    shared_results,
    annotation_layers,
    annotation_files,
    annotation_prompts,
    similar,
    vocabulary,
    datasets,
    datasets_review,
    checkpoints,
    basemap,
    metrics,
    operator,
)
COSTLY = frozenset(
    {
        "uploads.upload",
        "uploads.upload_sample",
        "segment.segment",
        "vocabulary.classify",
        "similar.find_similar_objects",
        "datasets.make_dataset",
        "annotation_files.import_annotations",
        "annotation_prompts.outline_prompts",
    }
)
# What a service that is about to stop takes in no more.
TAKING_IN = COSTLY | {"uploads.upload_cfg"}
OPERATORS = frozenset({"metrics.metrics", "operator.operator_page"})
TILES = frozenset({"tiles.tile", "tiles.mask_tile"})
# A server that does not answer at once must not hold up every request.
STORAGE_OPTIONS: dict[str, Any] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
STORAGE_PREFIX = "segment-anything-rs"
UNLIMITED = frozenset({"health.health", "pages.index", "pages.asset", "pages.icon", "human_check.static"})


@dataclass(frozen=True)
class Rates:
    """Requests one address may make, as in "60 per minute".

    Attributes:
        storage: URL of the Redis server that counts them for all processes; empty for this process's memory.
    """

    costly: str
    interactive: str
    tiles: str
    storage: str = ""


def register_routes(app: Flask, rates: Rates) -> None:
    """Register guards, error answers and all views of `app`, each under its rate."""
    register_watching(app, TAKING_IN)
    register_guards(app)
    register_error_answers(app)
    for module in MODULES:
        app.register_blueprint(module.blueprint)
    limiter = _make_limiter(app, rates.storage)
    for endpoint, view in app.view_functions.items():
        if endpoint not in UNLIMITED:
            rate, scope = _rate_of(endpoint, rates)
            limited: Any = limiter.shared_limit(rate, scope=scope)(view)
            app.view_functions[endpoint] = limited


def _make_limiter(app: Flask, storage: str) -> Limiter:
    """Return a limiter; without its Redis server it counts in this process's memory until that is back, and says so.

    Raises:
        BadParameter: Redis is asked for, but its client is not installed.
    """
    if not storage:
        return Limiter(get_remote_address, app=app, storage_uri="memory://", headers_enabled=False)
    try:
        return Limiter(
            get_remote_address,
            app=app,
            storage_uri=storage,
            storage_options=STORAGE_OPTIONS,
            in_memory_fallback_enabled=True,
            key_prefix=STORAGE_PREFIX,
            headers_enabled=False,
        )
    except ConfigurationError as error:
        raise BadParameter(
            'The setting "limits_storage" names Redis, but its client is not installed. '
            "Run: pip install -r requirements-cluster.txt",
            "limits_storage",
        ) from error


def _rate_of(endpoint: str, rates: Rates) -> tuple[str, str]:
    if endpoint in COSTLY:
        return rates.costly, "costly"
    if endpoint in OPERATORS:
        # As few as uploads, so that nobody guesses tokens, but counted apart.
        return rates.costly, "operator"
    if endpoint in TILES:
        return rates.tiles, "tiles"
    return rates.interactive, "interactive"
