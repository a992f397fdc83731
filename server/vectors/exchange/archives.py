"""Takes the one Shapefile out of a zip archive that a stranger packed."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from server.errors import BadParameter, TooLarge
from server.vectors.exchange.found import FIELD

MAX_ENTRIES = 1_000
MAX_UNPACKED_BYTES = 512 * 2**20
# All that says something about outlines, classes and place; GDAL would open others beside them.
NEEDED = (".shp", ".shx")
TAKEN = (*NEEDED, ".dbf", ".prj", ".cpg")
# Of a Shapefile in a folder, under a name of ours.
STEM = "import"
_COPY_BYTES = 2**20
_ENCRYPTED = 0x1


def unpack_shapefile(archive: Path, folder: Path) -> tuple[Path, list[str]]:
    """Unpack a Shapefile.

    No name in the archive becomes the name of a file, and sizes are counted while unpacking, not believed.

    Args:
        archive: the zip archive.
        folder: an empty folder of its own.

    Returns:
        The path of the .shp, and a note if there were several, of which the first by name is taken.

    Raises:
        BadParameter: it is no zip archive, has no complete Shapefile, or entries of an unusual kind.
        TooLarge: it would unpack to too much.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            entries = _check_entries(content.infolist())
            chosen, notes = _choose(entries)
            left = MAX_UNPACKED_BYTES
            for suffix, entry in chosen.items():
                left -= _unpack(content, entry, folder / f"{STEM}{suffix}", left)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise BadParameter(
            f"The zip archive cannot be unpacked ({str(error)[:200]}); pack the Shapefile again.", FIELD
        ) from error
    return folder / f"{STEM}.shp", notes


def _check_entries(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    if len(entries) > MAX_ENTRIES:
        raise BadParameter(f"The zip archive has {len(entries):,} entries; at most {MAX_ENTRIES:,} are read.", FIELD)
    for entry in entries:
        _check_entry(entry)
    return [entry for entry in entries if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")]


def _check_entry(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
        raise BadParameter("The zip archive has an entry that points outside of it; pack the Shapefile again.", FIELD)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise BadParameter("The zip archive holds a link; pack the files themselves.", FIELD)
    if entry.flag_bits & _ENCRYPTED:
        raise BadParameter("The zip archive is encrypted; pack the Shapefile without a password.", FIELD)


def _choose(entries: list[zipfile.ZipInfo]) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
    """Return by suffix the files of the first Shapefile, and notes."""
    shapes = sorted((entry for entry in entries if _suffix(entry) == ".shp"), key=lambda entry: entry.filename)
    if not shapes:
        raise BadParameter("The zip archive holds no Shapefile; expected files ending in .shp, .shx and .dbf.", FIELD)
    stem = _stem(shapes[0])
    parts = {_suffix(entry): entry for entry in entries if _stem(entry) == stem and _suffix(entry) in TAKEN}
    missing = [suffix for suffix in NEEDED if suffix not in parts]
    if missing:
        raise BadParameter(f"The Shapefile in the zip archive lacks its {', '.join(missing)}; pack that too.", FIELD)
    return parts, list(_tell_others(shapes))


def _tell_others(shapes: list[zipfile.ZipInfo]) -> Iterator[str]:
    if len(shapes) > 1:
        names = ", ".join(PurePosixPath(entry.filename).name[:80] for entry in shapes[1:10])
        yield f"Only {PurePosixPath(shapes[0].filename).name[:80]} was read of the archive, not {names}."


def _unpack(content: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left_bytes: int) -> int:
    """Write one entry and return its size."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadParameter("The zip archive is packed in an unusual way; pack it with Deflate.", FIELD)
    size = 0
    with content.open(entry) as source, target.open("wb") as unpacked:
        while piece := source.read(_COPY_BYTES):
            size += len(piece)
            if size > left_bytes:
                raise TooLarge(
                    f"The zip archive unpacks to more than {MAX_UNPACKED_BYTES:,} bytes; cut the Shapefile to the area "
                    "of the raster.",
                    FIELD,
                )
            unpacked.write(piece)
    return size


def _suffix(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).suffix.lower()


def _stem(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).with_suffix("").as_posix().lower()
