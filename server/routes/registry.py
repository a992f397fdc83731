"""Every blueprint, and which rate each view falls under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from server.routes import (
    annotation_files,
    annotation_layers,
    annotation_prompts,
    basemap,
    checkpoints,
    health,
    human_check,
    jobs,
    openapi,
    pages,
    predict,
    rasters,
    results,
    segment,
    similar,
    tiles,
    uploads,
)
from server.routes.errors import register_error_answers
from server.routes.guards import register_guards

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
    results,
    annotation_layers,
    annotation_files,
    annotation_prompts,
    similar,
    checkpoints,
    basemap,
)
COSTLY = frozenset(
    {
        "uploads.upload",
        "uploads.upload_sample",
        "segment.segment",
        "similar.find_similar_objects",
        "annotation_files.import_annotations",
        "annotation_prompts.outline_prompts",
    }
)
TILES = frozenset({"tiles.tile", "tiles.mask_tile"})
UNLIMITED = frozenset({"health.health", "pages.index", "pages.asset", "pages.icon", "human_check.static"})


@dataclass(frozen=True)
class Rates:
    """Requests one address may make, as in "60 per minute"."""

    costly: str
    interactive: str
    tiles: str


def register_routes(app: Flask, rates: Rates) -> None:
    """Register guards, error answers and all views of `app`, each under its rate."""
    register_guards(app)
    register_error_answers(app)
    for module in MODULES:
        app.register_blueprint(module.blueprint)
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", headers_enabled=False)
    for endpoint, view in app.view_functions.items():
        if endpoint not in UNLIMITED:
            rate, scope = _rate_of(endpoint, rates)
            limited: Any = limiter.shared_limit(rate, scope=scope)(view)
            app.view_functions[endpoint] = limited


def _rate_of(endpoint: str, rates: Rates) -> tuple[str, str]:
    if endpoint in COSTLY:
        return rates.costly, "costly"
    if endpoint in TILES:
        return rates.tiles, "tiles"
    return rates.interactive, "interactive"
