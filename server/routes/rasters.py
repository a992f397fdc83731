"""The client's rasters: list, metadata, preview, delete."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.clients.rasters import RasterEntry
from server.rasters.metadata import read_metadata
from server.rasters.preview import render_preview
from server.routes.bodies import PreviewBody, Query, RasterQuery, chosen_bands, read_body, read_query
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.services import services

blueprint = Blueprint("rasters", __name__)


def find_raster(name: str | None) -> RasterEntry:
    """Return the current client's raster of that name, the latest one for None.

    Raises:
        NoSuchRaster: there is none.
    """
    return services().rasters.find(current_client(), name)


@blueprint.get("/rasters")
@documented(Operation({200: ("The client's rasters, latest first.", "application/json")}, query=Query))
def list_rasters() -> Response:
    """List the client's rasters with their results."""
    read_query(Query)
    return jsonify(rasters=[_describe(entry) for entry in services().rasters.list(current_client())])


def _describe(entry: RasterEntry) -> dict[str, object]:
    meta = read_metadata(entry.source, entry.name)
    return {
        "raster": entry.name,
        "width": meta["width"],
        "height": meta["height"],
        "band_count": meta["band_count"],
        "size_bytes": entry.size_bytes,
        "uploaded": entry.uploaded,
        "result": entry.result,
    }


@blueprint.delete("/rasters/<raster>")
@documented(Operation({200: ("The raster and its result are gone.", "application/json")}))
def delete_raster(raster: str) -> Response:
    """Delete a raster, its side files and its result; running jobs on it are cancelled."""
    entry = find_raster(raster)
    services().queue.cancel_all(current_client().id, raster=entry.name)
    services().rasters.delete(current_client(), entry.name)
    return jsonify(deleted=entry.name)


@blueprint.get("/raster_meta")
@documented(Operation({200: ("Size, bands, CRS, extent, statistics.", "application/json")}, query=RasterQuery))
def raster_meta() -> Response:
    """Describe a raster."""
    entry = find_raster(read_query(RasterQuery).raster)
    return jsonify(read_metadata(entry.source, entry.name))


@blueprint.post("/preview_raster")
@documented(Operation({200: ("The picture, nodata transparent.", "image/png")}, body=PreviewBody))
def preview_raster() -> Response:
    """Draw a raster as a picture of at most `max_size` pixels."""
    body = read_body(PreviewBody)
    bands = chosen_bands(body.r, body.g, body.b)
    picture = render_preview(find_raster(body.raster).source, bands, max_size=body.max_size, mode=body.stretch)
    return Response(picture, content_type="image/png")
