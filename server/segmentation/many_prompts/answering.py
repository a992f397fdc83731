"""Answers many prompts on one raster, one after the other, and keeps the outlines alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely

from server.errors import TooLarge
from server.rasters.opening import open_raster
from server.segmentation.many_prompts.distinct import choose_distinct
from server.segmentation.many_prompts.ordering import order_by_look
from server.segmentation.many_prompts.placed import PlacedPrompt
from server.segmentation.progress import Progress, Report
from server.segmentation.prompting.drawing import draw_mask
from server.segmentation.prompting.looks import Looks
from server.segmentation.prompting.patches import LookReader, PatchCache
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.prompting.viewing import PromptViewer
from server.vectors.annotated import ObjectFacts
from server.vectors.editing.checking import MAX_VERTICES
from server.vectors.outlines import outline_mask

# Sixteen windows; people's clicks keep theirs in a cache of their own, which a job must not push out.
PATCHES_BYTES = 16 * 2**20
# What a layer holds; half a gigabyte while they are compared.
MAX_TOTAL_VERTICES = 16_000_000
ANSWERED_END = 0.98

# Checkpoint and what is called while waiting -> what answers prompts on a patch.
MakePatientNetwork = Callable[[str, Callable[[], None]], PromptedNetwork]


@dataclass(frozen=True)
class ManyPromptsRequest:
    """What to outline.

    Attributes:
        prompts: on the raster, at least one.
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        checkpoint: name of the weights.
    """

    prompts: Sequence[PlacedPrompt]
    band_indexes: tuple[int, ...]
    checkpoint: str


@dataclass(frozen=True)
class ManyPromptsResult:
    """What was found.

    Attributes:
        objects: in the order of their prompts, without duplicates.
        n_empty: prompts that no object answers: there is no data, no mask, or one too ragged for a layer to keep.
        n_duplicates: objects left out, because a better rated one is the same; see `choose_distinct`.
    """

    objects: Sequence[ObjectFacts]
    n_empty: int
    n_duplicates: int


def answer_many(
    source: Path, request: ManyPromptsRequest, make_network: MakePatientNetwork, report: Report
) -> ManyPromptsResult:
    """Outline the object of every prompt: the best of three masks under a point, the best mask in a box.

    Args:
        source: the raster.
        request: what to outline.
        make_network: (checkpoint, check) -> the network; it calls `check` while it waits.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.

    Raises:
        CheckpointMissing: the network cannot be loaded.
        NotARaster: the source cannot be read.
        TooLarge: the outlines have more corners together than a layer holds.
    """
    progress = Progress(report)
    progress.tell(0.0, "loading the network")
    network = make_network(request.checkpoint, progress.check)
    found = _find(source, request, network, progress.stage(0.0, ANSWERED_END, "outlining objects"))
    indexes = sorted(found)
    distinct = choose_distinct(
        [found[index].outline for index in indexes],
        [found[index].predicted_iou or 0.0 for index in indexes],
        progress.stage(ANSWERED_END, 1.0, "comparing objects"),
    )
    objects = [found[indexes[number]] for number in distinct]
    return ManyPromptsResult(objects, len(request.prompts) - len(found), len(found) - len(objects))


def _find(
    source: Path, request: ManyPromptsRequest, network: PromptedNetwork, tell: Callable[[float], None]
) -> dict[int, ObjectFacts]:
    """Return the object of every prompt that has one, by the prompt's index."""
    with open_raster(source) as raster:
        looks = Looks(raster.width, raster.height, network.input_size)
    found: dict[int, ObjectFacts] = {}
    n_vertices = 0
    with LookReader(source, request.band_indexes, PatchCache(PATCHES_BYTES)) as reader:
        for n_done, index in enumerate(order_by_look(request.prompts, looks)):
            tell(n_done / len(request.prompts))
            answer = _outline(request.prompts[index], reader, network, looks)
            if answer is None:
                continue
            n_vertices += _count_vertices(answer[0])
            _check_total(n_vertices)
            found[index] = _describe(request.prompts[index], *answer, request.checkpoint)
    return found


def _outline(
    prompt: PlacedPrompt, reader: LookReader, network: PromptedNetwork, looks: Looks
) -> tuple[shapely.MultiPolygon, float] | None:
    """Return the outline of the best mask and its rating; None where there is no mask that can be kept."""
    viewer = PromptViewer(reader, network, looks, prompt.prompts, None)
    _, masks = viewer.look_until_whole(multimask=prompt.point_xy is not None)
    if not masks:
        return None
    drawn = draw_mask(masks[0].mask, masks[0].seen, network.mask_threshold, reader)
    if drawn is None:
        return None
    outline = outline_mask(drawn.mask, drawn.corner_xy, drawn.scale_xy)
    return (outline, masks[0].predicted_iou) if _count_vertices(outline) <= MAX_VERTICES else None


def _describe(
    prompt: PlacedPrompt, outline: shapely.MultiPolygon, predicted_iou: float, checkpoint: str
) -> ObjectFacts:
    return ObjectFacts(
        outline=outline,
        class_name=prompt.class_name,
        source="prompt",
        checkpoint=checkpoint,
        predicted_iou=min(max(predicted_iou, 0.0), 1.0),  # official networks promise a little more than everything
        point_xy=prompt.point_xy,
    )


def _count_vertices(outline: shapely.MultiPolygon) -> int:
    return int(shapely.get_num_coordinates(outline))


def _check_total(n_vertices: int) -> None:
    if n_vertices > MAX_TOTAL_VERTICES:
        raise TooLarge(
            f"The outlines found so far have more than {MAX_TOTAL_VERTICES:,} corners, the most that a layer holds; "
            "send fewer prompts.",
            "prompts",
        )
