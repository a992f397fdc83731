"""Puts side files where GDAL finds them, after checks, so that they change what is said about their raster."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio import DatasetReader
from rasterio.crs import CRS
from rasterio.errors import CRSError

from server.errors import BadParameter, NotARaster
from server.rasters.formats import (
    STORED_STEM,
    WORLD_SUFFIXES,
    canonical_side_file_name,
    detect_format,
    is_side_file,
    side_file_stem,
    side_file_suffix,
)
from server.rasters.opening import check_raster, gdal_environment, open_raster
from server.rasters.pam import (
    has_rpc,
    has_srs,
    pam_path,
    parse_pam,
    read_pam,
    set_rpc,
    set_srs,
    write_pam,
)
from server.rasters.rpc_files import parse_rpc

FileState = list[list[object]]
# World files, projections and polynomials are a page of text at most.
MAX_TEXT_BYTES = 256 * 2**10
_N_WORLD_FILE_NUMBERS = 6
# Every Erdas Imagine file starts with it.
_ERDAS_SIGNATURE = b"EHFA_HEADER_TAG"
# WKT, EPSG:1234 or PROJ; any other text could make PROJ look for a file of that name.
_CRS_TEXT = re.compile(r"[A-Z][A-Za-z_0-9]*\s*\[|EPSG:\d+$|\+proj=", re.IGNORECASE)
_RPC_SUFFIXES = (".rpb", "_rpc.txt")
# Says that a mask belongs to all bands; GDAL ignores mask files that do not say what they belong to.
_MASK_FLAG, _MASK_OF_ALL_BANDS = "INTERNAL_MASK_FLAGS_", "2"


def attach_side_file(side_path: Path, source: Path, original_name: str) -> Path:
    """Check a side file and move it beside its raster, in place of an older one of its kind.

    GDAL ranks what it finds: .aux.xml first, then what is inside the raster, then a world file. A .prj counts where
    the raster itself has no CRS.

    Args:
        side_path: the file; it is moved away.
        source: the raster.
        original_name: the name the user gave the side file, which says what kind it is.

    Returns:
        Where it lies now.

    Raises:
        BadParameter: its name or content is wrong, or the raster could not be read with it.
    """
    suffix = side_file_suffix(original_name)
    if suffix is None:
        raise BadParameter(f'"{original_name}" is no side file.', "file")
    target = _find_place(original_name, source)
    _check_content(suffix, side_path, source)
    with _undo_on_error(target, pam_path(source)):
        side_path.replace(target)
        if suffix in {".aux.xml", ".prj", *_RPC_SUFFIXES}:
            _refresh_pam(source, target)
        _check_effect(source)
    return target


def list_side_files(source: Path) -> list[str]:
    """Return the sorted names of the side files that lie beside a raster."""
    stem = source.stem.lower()
    names = [path.name for path in source.parent.iterdir() if is_side_file(path.name)]
    return sorted(name for name in names if side_file_stem(name).lower() == stem)


def read_state(source: Path) -> FileState:
    """Return name, time in ns and size in bytes of a raster and its side files, to tell whether they changed."""
    files = [source, *(source.with_name(name) for name in list_side_files(source))]
    stats = [(path.name, path.stat()) for path in files]
    return [[name, stat.st_mtime_ns, stat.st_size] for name, stat in stats]


def _find_place(name: str, source: Path) -> Path:
    """Return where GDAL looks for a side file of this name's kind."""
    canonical = canonical_side_file_name(name, source.suffix)
    return source.with_name(source.stem + canonical.removeprefix(STORED_STEM))


def _check_content(suffix: str, path: Path, source: Path) -> None:
    """Raise BadParameter unless a file is what its suffix says."""
    checks: dict[str, Callable[[Path, Path], object]] = {
        ".prj": lambda path, _: _read_crs(path),
        ".aux.xml": lambda path, _: parse_pam(path),
        ".rpb": lambda path, _: parse_rpc(_read_text(path)),
        "_rpc.txt": lambda path, _: parse_rpc(_read_text(path)),
        ".rrd": lambda path, _: _check_erdas(path),
        ".ovr": _check_overviews,
        ".msk": _check_mask,
    }
    check = _check_world_file if suffix in WORLD_SUFFIXES else checks[suffix]
    check(path, source)


def _read_text(path: Path) -> str:
    size_bytes = path.stat().st_size
    if size_bytes > MAX_TEXT_BYTES:
        raise BadParameter(f"The side file has {size_bytes:,} bytes; expected at most {MAX_TEXT_BYTES:,}.", "file")
    # Latin-1 takes any byte, so comments in old encodings do no harm.
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _check_world_file(path: Path, _: Path) -> None:
    words = _read_text(path).split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != _N_WORLD_FILE_NUMBERS or not all(map(math.isfinite, numbers)):
        raise BadParameter(
            f"The world file holds {len(words)} words; expected six finite numbers, one per line: pixel width, two "
            "rotation terms, pixel height (mostly negative), x and y of the centre of the upper left pixel.",
            "file",
        )
    if numbers[0] * numbers[3] == numbers[1] * numbers[2]:
        raise BadParameter(
            "The world file gives pixels no area; expected a pixel width and height other than 0.", "file"
        )
    # GDAL does not read every encoding and line ending that occurs.
    path.write_text("".join(f"{number!r}\n" for number in numbers), encoding="ascii")


def _read_crs(path: Path) -> CRS:
    text = _read_text(path).strip()
    if not _CRS_TEXT.match(text):
        raise BadParameter("The .prj file holds no CRS; expected WKT, EPSG:number or a PROJ string.", "file")
    try:
        crs = CRS.from_string(text, morph_from_esri_dialect=True)
        if not crs.to_wkt():
            raise BadParameter("The .prj file holds an empty CRS.", "file")
    except CRSError as error:
        raise BadParameter(f"The .prj file holds no CRS that is understood ({str(error)[:200]}).", "file") from error
    return crs


def _check_erdas(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_ERDAS_SIGNATURE)) != _ERDAS_SIGNATURE:
            raise BadParameter("The .rrd file is no Erdas Imagine file; leave it out.", "file")


def _check_overviews(path: Path, source: Path) -> None:
    with _open_companion(path, source, ".ovr") as (overview, raster):
        factor = raster.width / overview.width
        expected_height = raster.height / factor
        if factor <= 1.0 or abs(overview.height - expected_height) > 1.0:
            raise _misfit(".ovr", overview, raster, "a reduced copy")
        if overview.dtypes != raster.dtypes:
            raise BadParameter(
                f"The .ovr file has bands {', '.join(overview.dtypes)}; the raster has {', '.join(raster.dtypes)}.",
                "file",
            )


def _check_mask(path: Path, source: Path) -> None:
    with _open_companion(path, source, ".msk") as (mask, raster):
        if (mask.width, mask.height) != (raster.width, raster.height):
            raise _misfit(".msk", mask, raster, "the same size")
        if set(mask.dtypes) != {"uint8"} or mask.count not in {1, raster.count}:
            raise BadParameter(
                f"The .msk file has {mask.count} bands of {mask.dtypes[0]}; expected one of uint8, 255 where the "
                "raster has data.",
                "file",
            )
        n_bands = raster.count
        has_flags = any(key.startswith(_MASK_FLAG) for key in mask.tags())
    if not has_flags:
        with gdal_environment(), rasterio.open(path, "r+", driver="GTiff") as mask:
            mask.update_tags(**{f"{_MASK_FLAG}{band}": _MASK_OF_ALL_BANDS for band in range(1, n_bands + 1)})


@contextmanager
def _open_companion(path: Path, source: Path, suffix: str) -> Iterator[tuple[DatasetReader, DatasetReader]]:
    """Open a checked .ovr or .msk file and its raster."""
    with open_raster(source) as raster:
        if (detected := detect_format(path)) is None or detected.driver != "GTiff":
            raise BadParameter(f"The {suffix} file is no TIFF file, as GDAL would write it.", "file")
        try:
            check_raster(path, max_pixels=raster.width * raster.height)
        except NotARaster as error:
            raise BadParameter(f"The {suffix} file cannot be used: {error.message}", "file") from error
        with open_raster(path) as companion:
            yield companion, raster


def _misfit(suffix: str, companion: DatasetReader, raster: DatasetReader, expected: str) -> BadParameter:
    return BadParameter(
        f"The {suffix} file has {companion.width} x {companion.height} pixels, its raster {raster.width} x "
        f"{raster.height}; expected {expected}.",
        "file",
    )


@contextmanager
def _undo_on_error(target: Path, pam: Path) -> Iterator[None]:
    """Bring both files back as they were if what happens inside fails."""
    pam_before = pam.read_bytes() if pam.exists() else None
    backup = target.with_name(f"{target.name}.previous")
    if target.exists():
        target.replace(backup)
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        pam.unlink(missing_ok=True)
        if pam_before is not None:
            pam.write_bytes(pam_before)
        if backup.exists():
            backup.replace(target)
        raise
    backup.unlink(missing_ok=True)


def _refresh_pam(source: Path, newest: Path) -> None:
    """Write into the .aux.xml file what GDAL would not find in .prj and coefficient files.

    GDAL reads a .prj of no allowed format, and coefficients of TIFF and JPEG 2000 only. `newest` has the last word; an
    older file fills in what a new .aux.xml leaves open.
    """
    root = read_pam(source)
    projection = _find_place("a.prj", source)
    if projection.exists() and (newest == projection or not has_srs(root)) and not _has_own_crs(source):
        set_srs(root, _read_crs(projection).to_wkt())
    for suffix in _RPC_SUFFIXES:
        coefficients = _find_place(f"a{suffix}", source)
        if coefficients.exists() and (newest == coefficients or not has_rpc(root)):
            set_rpc(root, parse_rpc(_read_text(coefficients)))
    if len(root):
        write_pam(pam_path(source), root)


def _has_own_crs(source: Path) -> bool:
    """Tell whether the raster itself names a CRS."""
    with open_raster(source, use_side_files=False) as raster:
        return bool(raster.crs or raster.gcps[1])


def _check_effect(source: Path) -> None:
    """Refuse side files with which the raster has no sensible place any more."""
    try:
        with open_raster(source) as raster:
            if not math.isfinite(raster.transform.determinant) or raster.transform.is_degenerate:
                raise BadParameter("With this side file the raster's pixels would have no area; correct it.", "file")
    except NotARaster as error:
        raise BadParameter(f"With this side file the raster cannot be read: {error.message}", "file") from error
