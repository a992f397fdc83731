"""Check what was uploaded and put it where it belongs: a raster into its folder, a side file beside its raster."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.clients.names import clean_file_name
from server.clients.rasters import RasterEntry, RasterStore
from server.clients.sessions import Client
from server.errors import BadParameter, TooLarge, UserError
from server.rasters.formats import SIDE_FILE_SUFFIXES, is_side_file, side_file_stem
from server.rasters.opening import raster_suffix
from server.rasters.side_files import attach_side_file
from server.segmentation.class_mode.class_areas import CLASSES, PROBABILITY, measure_again
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS
from server.uploads.examiners import shared_examiners
from server.vectors.placing_again import is_placed_like, place_again, place_raster_again


@dataclass(frozen=True)
class StagedFile:
    """A complete file in the staging folder and the name its client gave it, which is not to be trusted."""

    name: str
    path: Path


@dataclass(frozen=True)
class UploadLimits:
    """Bounds of one upload."""

    max_upload_bytes: int
    max_pixels: int


@dataclass(frozen=True)
class Accepted:
    """A raster in its place and a sentence about it."""

    entry: RasterEntry
    message: str


def receive_raster(
    store: RasterStore,
    client: Client,
    staged: StagedFile,
    before_replacing: Callable[[str], None],
    limits: UploadLimits,
) -> Accepted:
    """Check a raster, give it to `client` and attach the side files that came before it.

    Args:
        store: the rasters of all clients.
        client: whose raster it becomes.
        staged: the file; it is moved away.
        before_replacing: called with the raster's name before an older one of that name is replaced.
        limits: bytes and pixels a raster may have.

    Raises:
        TooLarge: too many bytes or pixels.
        NotARaster: not readable in an allowed format.
    """
    if is_side_file(staged.name):
        raise BadParameter(f'"{staged.name}" is a side file; send it to /upload_cfg.', "file")
    size_bytes = staged.path.stat().st_size
    if size_bytes > limits.max_upload_bytes:
        raise TooLarge(
            f"The file has {size_bytes:,} bytes; this server takes at most {limits.max_upload_bytes:,}.", "file"
        )
    suffix = raster_suffix(staged.path)
    name = clean_file_name(staged.name)

    def examine(source: Path) -> None:
        # Reads all bands: what is broken there must not take the place of an older raster.
        shared_examiners().examine_raster(source, max_pixels=limits.max_pixels)
        before_replacing(name)

    entry = store.add(client, name, staged.path, suffix, examine)
    notes = [f'"{entry.name}" is uploaded.']
    for name, path in store.take_pending_side_files(client, side_file_stem(entry.name)):
        notes.append(_attach_pending(entry, name, path))
    return Accepted(entry, " ".join(notes))


def _attach_pending(entry: RasterEntry, name: str, path: Path) -> str:
    """Attach a side file that came before its raster; a bad one does not take the raster with it."""
    try:
        _attach(path, entry.source, name)
    except UserError as error:
        path.unlink(missing_ok=True)
        return f'The side file "{name}" was left out: {error.message}'
    return f'The side file "{name}" belongs to it.'


def _attach(path: Path, source: Path, name: str) -> None:
    """Attach a side file that has been tried in another process; with a bad one the raster must not be opened here."""
    shared_examiners().examine_side_file(path, name, source)
    attach_side_file(path, source, name)


def receive_side_files(
    store: RasterStore, client: Client, staged: Sequence[StagedFile]
) -> tuple[list[str], str | None]:
    """Attach side files to the raster of the same stem, or keep them until it comes.

    Returns:
        Their names, and the name of the raster they belong to, None when it has not come yet.

    Raises:
        BadParameter: a file is no side file, or its content is wrong; nothing of it is kept.
    """
    for item in staged:
        if not is_side_file(item.name):
            known = " ".join(sorted(SIDE_FILE_SUFFIXES))
            raise BadParameter(f'"{item.name}" is no side file; expected one of {known}.', "file")
    raster = None
    named = [StagedFile(clean_file_name(item.name), item.path) for item in staged]
    for item in named:
        entry = _find_by_stem(store, client, item.name)
        if entry is None:
            store.add_pending_side_file(client, item.name, side_file_stem(item.name), item.path)
        else:
            _attach(item.path, entry.source, item.name)
            _place_result_again(store, entry)
            raster = entry.name
    return [item.name for item in named], raster


def _find_by_stem(store: RasterStore, client: Client, side_name: str) -> RasterEntry | None:
    """Return the client's latest raster that `side_name` belongs to by its stem, ignoring case."""
    stem = side_file_stem(side_name).casefold()
    return next((item for item in store.list(client) if side_file_stem(item.name).casefold() == stem), None)


def _place_result_again(store: RasterStore, entry: RasterEntry) -> None:
    """Move a result that is already there to the place its raster has now."""
    if entry.result is None:
        return
    result = store.result_folder(entry)
    if is_placed_like(result / LABELS, entry.source):
        return
    folder = Path(tempfile.mkdtemp(prefix="placed-", dir=entry.folder))
    try:
        place_again(result / LABELS, result / OBJECTS, entry.source, folder)
        store.replace_result(entry, folder, _place_classes_again(entry, result, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place_classes_again(entry: RasterEntry, result: Path, folder: Path) -> dict[str, Any]:
    """Move the classes of a result, if it has some, and return its summary with the areas they have now."""
    summary = dict(entry.result or {})
    if (result / CLASSES).exists():
        for name in (CLASSES, PROBABILITY):
            place_raster_again(result / name, entry.source, folder)
        summary["classes"] = measure_again(folder / CLASSES, summary["classes"])
    return summary
