"""Which raster formats and side files are allowed, and what they are called on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# The service keeps every raster as `source<suffix>` in a folder of its own; only there may caches be written beside it.
STORED_STEM = "source"


@dataclass(frozen=True)
class RasterFormat:
    """A format GDAL may open.

    Attributes:
        driver: GDAL's name; COG files are read by GTiff.
        suffix: what a stored file of this format ends in.
        world_suffix: what its world file ends in, see GDAL's "World File" page.
        signatures: bytes such a file starts with.
    """

    driver: str
    suffix: str
    world_suffix: str
    signatures: tuple[bytes, ...]


FORMATS = (
    # Classic TIFF is version 42, BigTIFF 43, in either byte order.
    RasterFormat("GTiff", ".tif", ".tfw", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    RasterFormat("PNG", ".png", ".pgw", (b"\x89PNG\r\n\x1a\n",)),
    RasterFormat("JPEG", ".jpg", ".jgw", (b"\xff\xd8\xff",)),
    # JP2 boxes or a bare code stream.
    RasterFormat("JP2OpenJPEG", ".jp2", ".j2w", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
)
ALLOWED_DRIVERS = tuple(item.driver for item in FORMATS)
SIGNATURE_BYTES = max(len(signature) for item in FORMATS for signature in item.signatures)

WORLD_SUFFIXES = frozenset([".tfw", ".tifw", ".wld", ".jgw", ".pgw", ".j2w"])
RPC_ENDING = "_rpc.txt"
SIDE_FILE_SUFFIXES = WORLD_SUFFIXES | {".prj", ".aux.xml", ".ovr", ".rrd", ".msk", ".rpb", RPC_ENDING}
# Kept after the whole raster name ("a.tif.ovr"); the others replace the raster's suffix ("a.tfw").
_APPENDED = frozenset([".aux.xml", ".ovr", ".msk"])
_RASTER_SUFFIXES = frozenset(
    [".tif", ".tiff", ".gtiff", ".gtif", ".btf", ".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jpf", ".jpx"]
)


def detect_format(path: Path) -> RasterFormat | None:
    """Return the allowed format a file's first bytes belong to, or None; its name plays no part."""
    with path.open("rb") as stream:
        start = stream.read(SIGNATURE_BYTES)
    return next((item for item in FORMATS if start.startswith(item.signatures)), None)


def suffix_of_driver(driver: str) -> str:
    """Return what a stored file of an allowed driver ends in, such as ".tif" for "GTiff"."""
    return next(item.suffix for item in FORMATS if item.driver == driver)


def side_file_suffix(name: str) -> str | None:
    """Return the ending that makes `name` a side file in lower case, or None where it is none."""
    lowered = name.lower()
    # The longest first, so that ".aux.xml" is not mistaken for a shorter ending.
    endings = sorted(SIDE_FILE_SUFFIXES, key=len, reverse=True)
    return next((ending for ending in endings if lowered.endswith(ending) and len(lowered) > len(ending)), None)


def is_side_file(name: str) -> bool:
    """Tell whether a file of this name belongs to a raster instead of being one."""
    return side_file_suffix(name) is not None


def side_file_stem(name: str) -> str:
    """Return the name of the raster a side file belongs to, without the raster's own suffix.

    "a.tif.aux.xml", "a.aux.xml", "a.tfw" and "a_RPC.TXT" all give "a"; so does the raster's name "a.tif" itself.
    """
    ending = side_file_suffix(name)
    stem = name[: -len(ending)] if ending else name
    suffix = Path(stem).suffix
    return stem[: -len(suffix)] if suffix.lower() in _RASTER_SUFFIXES and len(stem) > len(suffix) else stem


def canonical_side_file_name(side_name: str, source_suffix: str) -> str:
    """Return the name under which GDAL finds a side file beside `source<source_suffix>`.

    Args:
        side_name: what the client calls it, such as "Scene 1.TFW".
        source_suffix: ".tif", ".png", ".jpg" or ".jp2".

    Raises:
        ValueError: `side_name` is no side file.
    """
    ending = side_file_suffix(side_name)
    if ending is None:
        raise ValueError(f"{side_name!r} is no side file")
    if ending in WORLD_SUFFIXES:
        return STORED_STEM + next(item.world_suffix for item in FORMATS if item.suffix == source_suffix)
    if ending in _APPENDED:
        return f"{STORED_STEM}{source_suffix}{ending}"
    # On file systems that tell cases apart GDAL looks for these two in capitals.
    return STORED_STEM + (ending.upper() if ending in (RPC_ENDING, ".rpb") else ending)
