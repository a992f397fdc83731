"""What the job "prompts" does: many prompts answered, and their objects put into the annotation layer in one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import shapely

from server.jobs.records import JobRecord
from server.jobs.tasks import Report, Segmenter
from server.segmentation.many_prompts.answering import ManyPromptsRequest
from server.segmentation.many_prompts.placed import PlacedPrompt
from server.vectors.annotated import ObjectFacts


class Kept(NamedTuple):
    """What adding objects made of the annotation layer."""

    ids: list[int]
    revision: int


@dataclass(frozen=True)
class PromptsTask:
    """Add the objects of many prompts to the annotation layer of a raster.

    Attributes:
        find_source: (client id, raster id) -> the raster's file.
        find_kept: raster id -> outlines of the objects in its annotation layer, in pixels.
        keep: (raster id, objects) -> adds them in one undoable step; ids in the order of the objects.
        segmenter: the engine.
    """

    find_source: Callable[[str, str], Path]
    find_kept: Callable[[str], list[shapely.MultiPolygon]]
    keep: Callable[[str, Sequence[ObjectFacts]], Kept]
    segmenter: Segmenter

    def __call__(self, record: JobRecord, report: Report) -> dict[str, Any]:
        """Run the job; the layer changes at its end, or not at all.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile.
            TooLarge: the layer has no room for so many objects.
            Cancelled: the client cancelled the job.
        """
        raster_id = record.request["raster_id"]
        source = self.find_source(record.client, raster_id)
        request = read_prompts_request(record.request)
        found = self.segmenter.answer_many(source, request, report)
        report(1.0, "adding objects")
        new = self._leave_out_known(raster_id, found.objects)
        kept = self.keep(raster_id, new)
        return {
            "raster": record.raster,
            "n_prompts": len(request.prompts),
            "n_objects": len(new),
            "n_empty": found.n_empty,
            "n_duplicates": found.n_duplicates + len(found.objects) - len(new),
            "added": kept.ids,
            "revision": kept.revision,
        }

    def _leave_out_known(self, raster_id: str, objects: Sequence[ObjectFacts]) -> list[ObjectFacts]:
        """Return the objects whose very outline the layer does not have.

        A job that is begun anew, because the server stopped between its last step and its end, must add nothing twice.
        """
        known = set(shapely.to_wkb(self.find_kept(raster_id)))
        return [item for item in objects if shapely.to_wkb(item.outline) not in known]


def read_prompts_request(request: dict[str, Any]) -> ManyPromptsRequest:
    """Return the engine's request for many prompts from a job's stored one."""
    return ManyPromptsRequest(
        prompts=[PlacedPrompt.from_json(item) for item in request["prompts"]],
        band_indexes=tuple(request["band_indexes"]),
        checkpoint=request["checkpoint"],
    )
