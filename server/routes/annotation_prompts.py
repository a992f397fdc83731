"""Many prompts at once: a job that puts the object of each into the annotation layer."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response

from server.clients.rasters import RasterEntry
from server.jobs.records import JobRecord
from server.routes.annotation_bodies import MAX_PROMPTS_BYTES, PromptsBody, SentPrompt
from server.routes.bodies import read_body
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.job_answers import answer_job
from server.routes.rasters import find_raster
from server.routes.segment_request import choose_bands, choose_checkpoint
from server.routes.services import services
from server.segmentation.many_prompts.placed import GivenPrompt, PlacedPrompt, place_prompts
from server.vectors.placement import read_place

blueprint = Blueprint("annotation_prompts", __name__)
JOB = {
    200: ("Ids of the objects that were added.", "application/json"),
    202: ("Queued; follow `Location`.", "application/json"),
}


@blueprint.post("/annotations/prompts")
@documented(Operation(JOB, body=PromptsBody))
def outline_prompts() -> Response:
    """Outline the object of each of many points and boxes, and keep them all in one undoable step."""
    body = read_body(PromptsBody, MAX_PROMPTS_BYTES)
    entry = find_raster(body.raster)
    given = [GivenPrompt(_place_of(prompt), body.class_name) for prompt in body.prompts]
    placed = place_prompts(given, body.space, *read_place(entry.source))
    return answer_job(submit_prompts(entry, placed, body.rgb_index, body.checkpoint))


def submit_prompts(
    entry: RasterEntry, prompts: Sequence[PlacedPrompt], rgb_index: list[int] | None, checkpoint: str | None
) -> JobRecord:
    """Queue the job of prompts on a raster.

    Raises:
        BadParameter: a band, the checkpoint or a class is none, or there would be too many classes.
        CheckpointMissing: the file of the checkpoint is not on this server.
        TooLarge: the annotation layer has no room for so many objects.
        TooFrequent: the client has too many jobs waiting or running.
    """
    names = {prompt.class_name for prompt in prompts if prompt.class_name is not None}
    services().annotations.check_room(entry.id, len(prompts), names)
    request = {
        "raster_id": entry.id,
        "prompts": [prompt.to_json() for prompt in prompts],
        "band_indexes": list(choose_bands(entry.source, rgb_index)),
        "checkpoint": choose_checkpoint(checkpoint),
    }
    return services().queue.submit("prompts", client=current_client().id, raster=entry.name, request=request)


def _place_of(prompt: SentPrompt) -> list[float]:
    return prompt.point if prompt.point is not None else prompt.box or []
