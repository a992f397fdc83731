"""Map tiles of a raster and of its result."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request

from server.rasters.tiles import read_tilejson
from server.routes.bodies import MaskTileQuery, TileQuery, chosen_bands, read_query
from server.routes.documentation import Operation, documented
from server.routes.rasters import find_raster
from server.routes.results import find_shown
from server.routes.services import services

blueprint = Blueprint("tiles", __name__)
TILE_ANSWERS = {200: ("The tile.", "image/png"), 204: ("Nothing there.", None)}


@blueprint.get("/tiles/<raster>/tilejson.json")
@documented(Operation({200: ("TileJSON; `space` tells map from pixel tiles.", "application/json")}, query=TileQuery))
def tilejson(raster: str) -> Response:
    """Describe the tiles of a raster."""
    read_query(TileQuery)
    entry = find_raster(raster)
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    return jsonify(read_tilejson(entry.source, f"/tiles/{quote(entry.name)}/{{z}}/{{x}}/{{y}}.png{query}"))


@blueprint.get("/tiles/<raster>/<int:z>/<int:x>/<int:y>.png")
@documented(Operation(TILE_ANSWERS, query=TileQuery))
def tile(raster: str, z: int, x: int, y: int) -> Response:
    """Draw one tile of a raster."""
    query = read_query(TileQuery)
    bands = chosen_bands(query.r, query.g, query.b)
    source = find_raster(raster).source
    return _answer_tile(services().tiles.tile(source, (z, x, y), band_indexes=bands, mode=query.stretch))


@blueprint.get("/mask_tiles/<raster>/<int:z>/<int:x>/<int:y>.png")
@documented(Operation(TILE_ANSWERS, query=MaskTileQuery))
def mask_tile(raster: str, z: int, x: int, y: int) -> Response:
    """Draw one tile of a result; a class, or else an object, keeps its colour everywhere."""
    query = read_query(MaskTileQuery)
    path, shown = find_shown(raster, query)
    return _answer_tile(services().tiles.label_tile(path, (z, x, y), alpha=query.alpha, shown=shown))


def _answer_tile(picture: bytes | None) -> Response:
    response = Response(status=204) if picture is None else Response(picture, content_type="image/png")
    response.headers["Cache-Control"] = "private, max-age=60"
    if picture is not None:
        response.add_etag()  # after a minute the browser asks again, and need not fetch what it has
        response.make_conditional(request)
    return response
