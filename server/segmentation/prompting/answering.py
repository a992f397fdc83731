"""Answers prompts on a raster: looks, looks again where the object is cut, and outlines what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.rasters.windows import PixelWindow
from server.segmentation.prompting.drawing import DrawnMask, draw_mask
from server.segmentation.prompting.earlier_masks import MaskMemory, Owner
from server.segmentation.prompting.looks import Looks
from server.segmentation.prompting.patches import LookReader, PatchCache
from server.segmentation.prompting.prompts import GivenPrompts, read_prompts
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.prompting.viewing import FoundMask, PromptViewer
from server.vectors.geojson import Feature
from server.vectors.outlines import make_feature, outline_mask
from server.vectors.placement import Placement, read_place

SOURCE = "prompt"


@dataclass(frozen=True)
class PromptRequest:
    """Who asks what.

    Attributes:
        given: points and box.
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        owner: may go on from the masks; names the checkpoint.
        previous: id of an earlier mask to be corrected; None for a new one.
        multimask: three masks of different extent; False for the best one alone.
        keep: the masks may be corrected later; False for a look at what a click would find, of which there may be
            hundreds a minute: they must not push out the masks that are being worked on.
    """

    given: GivenPrompts
    band_indexes: tuple[int, ...]
    owner: Owner
    previous: str | None = None
    multimask: bool = True
    keep: bool = True


@dataclass(frozen=True)
class PromptedMask:
    """One mask.

    Attributes:
        id: to be sent as `previous` with the next click; None for a mask that is not kept.
        predicted_iou: the network's own rating, 0..1.
        area_px: pixels of the raster.
        area_m2: geodesic; None where the raster has no place on Earth.
        feature: GeoJSON; see `make_feature`.
    """

    id: str | None
    predicted_iou: float
    area_px: int
    area_m2: float | None
    feature: Feature


@dataclass(frozen=True)
class PromptAnswer:
    """What was found.

    Attributes:
        masks: best first; empty where nothing was found, such as on pixels without data.
        window: the part of the raster the network looked at.
    """

    masks: list[PromptedMask]
    window: PixelWindow


@dataclass(frozen=True)
class PromptMemory:
    """What requests leave to later ones.

    Attributes:
        masks: for the next click of the same person.
        patches: for the next click at the same place.
    """

    masks: MaskMemory
    patches: PatchCache


def answer_prompts(
    source: Path, request: PromptRequest, make_network: Callable[[str], PromptedNetwork], memory: PromptMemory
) -> PromptAnswer:
    """Return the masks of prompts on a raster.

    Args:
        source: the raster.
        request: who asks what.
        make_network: checkpoint -> what answers prompts on a patch.
        memory: of all requests.

    Raises:
        BadParameter: the prompts make no sense on this raster, or `previous` is unknown.
        CheckpointMissing: the network cannot be loaded.
        NotARaster: the source cannot be read.
    """
    placement, size = read_place(source)
    prompts = read_prompts(request.given, placement, size, refines=request.previous is not None)
    previous = None if request.previous is None else memory.masks.find(request.owner, request.previous)
    network = make_network(request.owner.checkpoint)
    with LookReader(source, request.band_indexes, memory.patches) as reader:
        viewer = PromptViewer(reader, network, Looks(*size, network.input_size), prompts, previous)
        look, found = viewer.look_until_whole(multimask=request.multimask)
        drawn = [(item, draw_mask(item.mask, item.seen, network.mask_threshold, reader)) for item in found]
    earlier = memory.masks if request.keep else None
    masks = [_describe(item, mask, placement, request.owner, earlier) for item, mask in drawn if mask is not None]
    return PromptAnswer(masks, look.window)


def _describe(
    found: FoundMask, drawn: DrawnMask, placement: Placement, owner: Owner, earlier: MaskMemory | None
) -> PromptedMask:
    outline = outline_mask(drawn.mask, drawn.corner_xy, drawn.scale_xy)
    area_px, area_m2 = round(outline.area), placement.measure_m2(outline)
    left, top, right_end, bottom_end = (round(value) for value in outline.bounds)
    properties = {
        "area_px": area_px,
        "area_m2": area_m2,
        "predicted_iou": found.predicted_iou,
        "bbox": [left, top, right_end - left, bottom_end - top],
        "source": SOURCE,
        "checkpoint": owner.checkpoint,
    }
    mask_id = None if earlier is None else earlier.keep(owner, found.seen)
    feature = make_feature(outline, placement, properties)
    return PromptedMask(mask_id, found.predicted_iou, area_px, area_m2, feature)
