"""Rasters and side files on their way in, streamed to disk."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO, Any

from flask import Blueprint, Request, Response, current_app, g, jsonify, request

from server.errors import BadParameter
from server.rasters.metadata import read_metadata
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.services import EXTENSION, services
from server.uploads.receive import Accepted, StagedFile, receive_raster, receive_side_files
from server.uploads.sample import SAMPLE_NAME, write_sample_scene

blueprint = Blueprint("uploads", __name__)
UPLOADED = {200: ("The raster is here; `meta` describes it.", "application/json")}
# Headers of a multipart body; the exact limit is checked on the file.
ENVELOPE_BYTES = 2**20


class StreamingRequest(Request):
    """A request whose files stream into the staging folder, on the disk where they will stay."""

    def _get_file_stream(self, *_facts: object, **_more: object) -> IO[bytes]:
        if "staging" not in g:
            parent = current_app.extensions[EXTENSION].staging_folder
            g.staging = Path(tempfile.mkdtemp(dir=parent, prefix="upload-"))
            g.streams = []
        stream: Any = tempfile.NamedTemporaryFile(dir=g.staging, delete=False)  # noqa: SIM115 - closed after use
        g.streams.append(stream)
        return stream  # type: ignore[no-any-return]


@blueprint.teardown_app_request
def remove_staging(_error: BaseException | None) -> None:
    """Remove whatever of an upload found no place, be it refused or interrupted."""
    for stream in g.get("streams", []):
        stream.close()
    if "staging" in g:
        shutil.rmtree(g.staging, ignore_errors=True)


@blueprint.post("/upload")
@documented(Operation(UPLOADED, upload="file"))
def upload() -> Response:
    """Take in a raster."""
    with services().rasters.reserve(current_client(), request.content_length or 0):
        staged = staged_files()
        if len(staged) > 1:
            raise BadParameter(f"{len(staged)} files arrived; expected one raster in the field `file`.", "file")
        accepted = receive_raster(
            services().rasters, current_client(), staged[0], _cancel_jobs, services().upload_limits
        )
    return _answer(accepted)


@blueprint.post("/sample")
@documented(Operation(UPLOADED))
def upload_sample() -> Response:
    """Take in the sample scene, as if the client had uploaded it."""
    g.staging = Path(tempfile.mkdtemp(dir=services().staging_folder, prefix="sample-"))
    path = g.staging / SAMPLE_NAME
    write_sample_scene(path)
    with services().rasters.reserve(current_client(), path.stat().st_size):
        staged = StagedFile(SAMPLE_NAME, path)
        accepted = receive_raster(services().rasters, current_client(), staged, _cancel_jobs, services().upload_limits)
    return _answer(accepted)


@blueprint.post("/upload_cfg")
@documented(Operation({200: ("The side files are in place or wait.", "application/json")}, upload="file"))
def upload_cfg() -> Response:
    """Take in side files, before or after their raster."""
    with services().rasters.reserve(current_client(), request.content_length or 0):
        names, raster = receive_side_files(services().rasters, current_client(), staged_files())
    return jsonify(files=names, raster=raster)


def staged_files() -> list[StagedFile]:
    """Return the multipart files of this request, which lie complete on disk.

    Raises:
        BadParameter: there is none, or one has no name.
    """
    files = request.files.getlist("file")
    if not files:
        raise BadParameter("No file arrived; expected multipart/form-data with the field `file`.", "file")
    staged = []
    for item in files:
        if not item.filename:
            raise BadParameter("A file without a name arrived; give it the name it has on disk.", "file")
        item.stream.close()
        staged.append(StagedFile(item.filename, Path(str(item.stream.name))))
    return staged


def _cancel_jobs(raster: str) -> None:
    services().queue.cancel_all(current_client().id, raster=raster)


def _answer(accepted: Accepted) -> Response:
    entry = accepted.entry
    return jsonify(raster=entry.name, message=accepted.message, meta=read_metadata(entry.source, entry.name))
