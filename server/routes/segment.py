"""`/segment`: check the request, queue the job, answer at once or when it is done."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Blueprint, Response, jsonify, request

from server.errors import BadParameter, CheckpointMissing
from server.jobs.records import JobRecord
from server.rasters.area import read_area
from server.rasters.ground_resolution import read_pixel_size_m
from server.rasters.preview import check_band_indexes, default_band_indexes
from server.rasters.windows import check_window
from server.routes.bodies import SegmentBody, read_body
from server.routes.documentation import Operation, documented
from server.routes.errors import answer_failed_job
from server.routes.guards import current_client
from server.routes.rasters import find_raster
from server.routes.services import services
from server.segmentation.networks.checkpoints import list_checkpoints
from server.segmentation.parameters import PARAMETERS, PRESETS, MaskGeneratorSettings, describe_parameters

blueprint = Blueprint("segment", __name__)
FILE_NAME = re.compile(r"[^/\\:*?\"<>|\x00-\x1f]+\.tiff?", re.IGNORECASE)


def parameter_properties() -> dict[str, object]:
    """Return the JSON schema of each mask-generator parameter."""
    return {
        item["name"]: {key: item[key] for key in ("type", "default", "minimum", "maximum", "description")}
        for item in describe_parameters()
    }


@blueprint.get("/segment_parameters")
@documented(Operation({200: ("Bounds, defaults and presets.", "application/json")}))
def segment_parameters() -> Response:
    """Describe the mask generator's parameters and presets."""
    return jsonify(parameters=describe_parameters(), presets=PRESETS)


@blueprint.post("/segment")
@documented(
    Operation(
        {200: ("Finished.", "application/json"), 202: ("Queued; follow `Location`.", "application/json")},
        body=SegmentBody,
        extra_body_properties=parameter_properties,
    )
)
def segment() -> Response:
    """Segment everything in a raster."""
    body = read_body(SegmentBody)
    record = services().queue.submit(
        "segment", client=current_client().id, raster=find_raster(body.raster).name, request=_check_request(body)
    )
    if "respond-async" not in request.headers.get("Prefer", "").lower():
        record = _wait(record)
    return _answer(record)


def _check_request(body: SegmentBody) -> dict[str, object]:
    """Return the job's request with every default filled in, or raise naming the field."""
    values = body.model_extra or {}
    settings = MaskGeneratorSettings.from_mapping(values)
    entry = find_raster(body.raster)
    if not FILE_NAME.fullmatch(body.out_raster) or body.out_raster.startswith("."):
        raise BadParameter(
            f'"{body.out_raster[:80]}" is no file name for the result; expected a plain name ending in .tif.',
            "out_raster",
        )
    window = check_window(entry.source, body.window) if body.window is not None else None
    if body.area is not None:
        read_area(entry.source, body.area)
    if body.resolution_m is not None:
        read_pixel_size_m(entry.source)
    return {
        "raster_id": entry.id,
        "out_raster": body.out_raster,
        "band_indexes": list(choose_bands(entry.source, body.rgb_index)),
        "parameters": {name: getattr(settings, name) for name in PARAMETERS},
        "checkpoint": choose_checkpoint(body.checkpoint),
        "window": window,
        "area": body.area,
        "resolution_m": body.resolution_m,
        "full_cover": body.full_cover,
    }


def choose_bands(source: Path, rgb_index: list[int] | None) -> tuple[int, ...]:
    """Return the bands the network sees: those asked for, or the raster's usual ones for None.

    Raises:
        BadParameter: the raster has no such band.
    """
    if rgb_index is None:
        return default_band_indexes(source)
    return check_band_indexes(source, rgb_index, field="rgb_index")


def choose_checkpoint(asked: str | None) -> str:
    """Return the name of the checkpoint asked for, the operator's for None.

    Raises:
        BadParameter: no checkpoint has that name.
        CheckpointMissing: its file is not on this server.
    """
    name = asked or services().default_checkpoint
    known = {item.name: item for item in list_checkpoints(services().checkpoint_folder)}
    if name not in known:
        raise BadParameter(f'No checkpoint is called "{name}"; known are {", ".join(known)}.', "checkpoint")
    if not known[name].available:
        raise CheckpointMissing(
            f'The checkpoint "{name}" is not on this server; its operator can run `python ultimate.py fetch {name}`.',
            "checkpoint",
        )
    return name


def _wait(record: JobRecord) -> JobRecord:
    """Wait for the job where a slot is free, so that waiting never takes more than half of the threads."""
    slots = services().waiting_slots
    if not slots.acquire(blocking=False):
        return record
    try:
        return services().queue.wait(record.job, services().segment_wait_s)
    finally:
        slots.release()


def _answer(record: JobRecord) -> Response:
    if record.state == "failed" and record.error is not None:
        return answer_failed_job(record.error)
    finished = record.state not in ("queued", "running")
    response = jsonify({**(record.result or {}), **record.to_json()})
    response.status_code = 200 if finished else 202
    if not finished:
        response.headers["Location"] = f"/jobs/{record.job}"
    return response
