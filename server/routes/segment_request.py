"""Turns the body of `/segment` into a job's request: defaults filled in, everything checked before a job waits."""

from __future__ import annotations

import re
from pathlib import Path

from server.clients.rasters import RasterEntry
from server.errors import BadParameter, CheckpointMissing
from server.rasters.area import read_area
from server.rasters.ground_resolution import read_pixel_size_m
from server.rasters.look import check_band_indexes, default_band_indexes
from server.rasters.windows import check_window
from server.routes.bodies import SegmentBody
from server.routes.services import services
from server.segmentation.networks.checkpoints import find_checkpoint, find_class
from server.segmentation.parameters import PARAMETERS, MaskGeneratorSettings

FILE_NAME = re.compile(r"[^/\\:*?\"<>|\x00-\x1f]+\.tiff?", re.IGNORECASE)
# The only parameter of the mask generator that has a meaning where nothing is clicked.
CLASS_PARAMETERS = ("min_mask_region_area",)


def make_job_request(body: SegmentBody, entry: RasterEntry) -> dict[str, object]:
    """Return the job's request with every default filled in, ready for JSON.

    Args:
        body: what the client sent.
        entry: the raster it means.

    Raises:
        BadParameter: a field is out of range, has no meaning in this mode, or does not fit the raster.
        CheckpointMissing: the file of the checkpoint is not on this server.
    """
    settings = MaskGeneratorSettings.from_mapping(body.model_extra or {})
    check_file_name(body.out_raster)
    window = check_window(entry.source, body.window) if body.window is not None else None
    if body.area is not None:
        read_area(entry.source, body.area)
    if body.resolution_m is not None:
        read_pixel_size_m(entry.source)
    checkpoint = choose_checkpoint(body.checkpoint)
    class_name = _choose_class(body, checkpoint)
    return {
        "raster_id": entry.id,
        "out_raster": body.out_raster,
        "band_indexes": list(choose_bands(entry.source, body.rgb_index)),
        "mode": body.mode,
        "class_name": class_name,
        "parameters": {name: getattr(settings, name) for name in (CLASS_PARAMETERS if class_name else PARAMETERS)},
        "checkpoint": checkpoint,
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
    try:
        find_checkpoint(services().checkpoint_folder, name)
    except CheckpointMissing:
        raise CheckpointMissing(
            f'The checkpoint "{name}" is not on this server; its operator can run `python ultimate.py fetch {name}`.',
            "checkpoint",
        ) from None
    return name


def check_file_name(name: str) -> None:
    """Refuse what is no name of a TIFF file.

    Raises:
        BadParameter: it is none.
    """
    if not FILE_NAME.fullmatch(name) or name.startswith("."):
        raise BadParameter(
            f'"{name[:80]}" is no file name for the result; expected a plain name ending in .tif.',
            "out_raster",
        )


def _choose_class(body: SegmentBody, checkpoint: str) -> str | None:
    """Return what the class mode shall find, None in the other mode.

    What only clicks could obey is refused, so that no one believes it had an effect.
    """
    if body.mode != "class":
        return None
    without_meaning = [name for name in body.model_extra or {} if name not in CLASS_PARAMETERS]
    without_meaning += ["full_cover"] if body.full_cover else []
    if without_meaning:
        name = without_meaning[0]
        raise BadParameter(
            f'"{name}" has no meaning in mode "class", which clicks nowhere; leave it out, or choose mode '
            '"everything".',
            name,
        )
    return find_class(services().checkpoint_folder, checkpoint)
