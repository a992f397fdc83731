"""Unpacks images and labels out of a zip archive that a stranger packed."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from server.datasets.images import IMAGE_SUFFIXES
from server.datasets.refused import refuse
from server.errors import BadParameter, NotARaster, TooLarge
from server.rasters.opening import check_raster

FIELD = "file"
LABEL_SUFFIXES = frozenset((".txt", ".xml", ".csv", ".json", ".geojson", ".gpkg", ".fgb"))
# YOLO's list of classes, and world files, which place an image.
COMPANIONS = frozenset((".yaml", ".yml", ".tfw", ".pgw", ".jgw", ".j2w"))
TAKEN = IMAGE_SUFFIXES | LABEL_SUFFIXES | COMPANIONS
# File systems take names of 255 bytes, and drafts beside a file have longer names than that.
MAX_PART_BYTES = 200
MAX_PARTS = 20
MAX_NAMES_TOLD = 5
_COPY_BYTES = 2**20
_ENCRYPTED = 0x1


class CheckImage(Protocol):
    """Looks at an image that a stranger sent; see `check_raster` for arguments and errors."""

    def __call__(self, path: Path, *, max_pixels: int) -> None:
        """Return if the image is fine."""
        ...


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold.

    Attributes:
        max_entries: files and folders.
        max_image_bytes: of one image.
        max_pixels: of one image.
        max_ratio: bytes of all files over those of the archive.
        harmless_bytes: archives that unpack to no more than that may have any ratio.
        check_image: looks at every image; the service does so in a process of its own.
    """

    max_image_bytes: int
    max_pixels: int
    max_entries: int = 200_000
    max_ratio: int = 200
    harmless_bytes: int = 64 * 2**20
    check_image: CheckImage = check_raster


@dataclass(frozen=True)
class ArchiveContent:
    """Entries that are worth unpacking.

    Attributes:
        entries: in the order of their paths.
        n_bytes: what they say they unpack to.
        left_out: paths of the other files.
    """

    entries: tuple[zipfile.ZipInfo, ...]
    n_bytes: int
    left_out: tuple[str, ...]


def look_into(archive: Path, limits: ArchiveLimits) -> ArchiveContent:
    """Read the table of contents and check every entry in it; nothing is unpacked.

    Args:
        archive: the zip archive.
        limits: of all entries together.

    Raises:
        BadParameter: it is no zip archive, or has entries of an unusual kind or no images or labels.
        TooLarge: it holds too many entries, or would unpack to suspiciously much.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadParameter(
            f"The file is not a zip archive ({str(error)[:200]}); pack images and labels into one and send that.", FIELD
        ) from error
    if len(entries) > limits.max_entries:
        raise TooLarge(
            f"The zip archive has {len(entries):,} entries; at most {limits.max_entries:,} are taken. Make several "
            "datasets of it.",
            FIELD,
        )
    for entry in entries:
        _check_entry(entry)
    files = [entry for entry in entries if not entry.is_dir()]
    taken = [entry for entry in files if is_taken(entry.filename)]
    _require_images_and_labels(taken, files)
    n_bytes = sum(entry.file_size for entry in taken)
    if n_bytes > limits.harmless_bytes and n_bytes > limits.max_ratio * archive.stat().st_size:
        raise TooLarge(
            f"The zip archive of {archive.stat().st_size:,} bytes would unpack to {n_bytes:,}, more than "
            f"{limits.max_ratio} times as much, which images and labels never do. Pack images without blank filling.",
            FIELD,
        )
    in_order = sorted(taken, key=lambda entry: entry.filename)
    _refuse_twins(in_order)
    left_out = sorted(entry.filename for entry in files if not is_taken(entry.filename))
    return ArchiveContent(tuple(in_order), n_bytes, tuple(left_out))


def unpack(
    archive: Path, content: ArchiveContent, folder: Path, limits: ArchiveLimits, tell: Callable[[int], None]
) -> None:
    """Unpack what `look_into` found and check every image; sizes are counted while unpacking, not believed.

    An image that is damaged, of another format or too large is refused: it is removed, and a note tells why. Nobody
    opens it again, and the others are not held up.

    Args:
        archive: the zip archive.
        content: what is taken of it.
        folder: where to; paths below it are those in the archive.
        limits: of an image.
        tell: told the number of files before each; may raise to stop.

    Raises:
        BadParameter: the archive is broken or packed in an unusual way.
        TooLarge: a file is larger than it says or than it may be.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for n_unpacked, entry in enumerate(content.entries):
                tell(n_unpacked)
                _unpack_entry(opened, entry, folder / path_of(entry), limits)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        FileExistsError,
        NotADirectoryError,
    ) as error:
        raise BadParameter(f"The zip archive cannot be unpacked ({str(error)[:200]}); pack it again.", FIELD) from error


def path_of(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Return the path of an entry; programs on Windows may have written it their way."""
    return PurePosixPath(entry.filename.replace("\\", "/"))


def is_taken(name: str) -> bool:
    """Tell whether a file of this path is unpacked; what file managers add of their own is not."""
    path = PurePosixPath(name.replace("\\", "/"))
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in TAKEN and not is_hidden


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse what could reach outside of the folder, or what no file system can name."""
    path, shown = path_of(entry), f"{entry.filename[:80]!a}"
    if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
        raise BadParameter(
            f"The zip archive has an entry {shown} that points outside of it; pack the folder itself, with relative "
            "names.",
            FIELD,
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise BadParameter(f"The zip archive holds a link, {shown}; pack the files themselves.", FIELD)
    if entry.flag_bits & _ENCRYPTED:
        raise BadParameter(f"{shown} is encrypted in the zip archive; pack it without a password.", FIELD)
    is_long = len(path.parts) > MAX_PARTS or any(len(part.encode()) > MAX_PART_BYTES for part in path.parts)
    if is_long or not entry.filename.isprintable():
        raise BadParameter(
            f"The zip archive has an entry {shown} whose name is too long or cannot be shown; rename it.", FIELD
        )


def _require_images_and_labels(taken: Sequence[zipfile.ZipInfo], files: Sequence[zipfile.ZipInfo]) -> None:
    suffixes = {path_of(entry).suffix.lower() for entry in taken}
    missing = "images" if not suffixes & IMAGE_SUFFIXES else "labels" if not suffixes & LABEL_SUFFIXES else None
    if missing is None:
        return
    wanted = sorted(IMAGE_SUFFIXES if missing == "images" else LABEL_SUFFIXES)
    names = [path_of(entry).name[:60] for entry in files]
    told = ", ".join(names[:MAX_NAMES_TOLD]) + (" …" if len(names) > MAX_NAMES_TOLD else "") if names else "nothing"
    raise BadParameter(
        f"The zip archive holds no {missing}; expected files ending in {' '.join(wanted)}, found {told}.", FIELD
    )


def _refuse_twins(in_order: Sequence[zipfile.ZipInfo]) -> None:
    seen: set[PurePosixPath] = set()
    for entry in in_order:
        if path_of(entry) in seen:
            raise BadParameter(
                f"The zip archive holds {entry.filename[:80]!a} twice; pack it again with the one you mean.", FIELD
            )
        seen.add(path_of(entry))


def _unpack_entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limits: ArchiveLimits) -> None:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadParameter("The zip archive is packed in an unusual way; pack it with Deflate.", FIELD)
    if entry.file_size > limits.max_image_bytes:
        raise TooLarge(
            f"{target.name} in the zip archive has {entry.file_size:,} bytes; this server takes at most "
            f"{limits.max_image_bytes:,} for one file.",
            FIELD,
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with opened.open(entry) as source, target.open("xb") as unpacked:
        while piece := source.read(_COPY_BYTES):
            size += len(piece)
            if size > entry.file_size:
                raise TooLarge(f"{target.name} in the zip archive is larger than it says; pack it again.", FIELD)
            unpacked.write(piece)
    if target.suffix.lower() in IMAGE_SUFFIXES:
        _check_image(target, limits)


def _check_image(path: Path, limits: ArchiveLimits) -> None:
    try:
        limits.check_image(path, max_pixels=limits.max_pixels)
    except (NotARaster, TooLarge) as error:
        refuse(path, error.message)
