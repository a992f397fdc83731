"""The only door to raster files: allowed formats, no other file or host behind them, broken ones refused."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from server.errors import NotARaster, TooLarge
from server.rasters.formats import RasterFormat, detect_format

# GDAL would take 5 % of the machine's memory for decoded blocks; it reads this once, when the first block is decoded.
BLOCK_CACHE_MB = 64
os.environ.setdefault("GDAL_CACHEMAX", str(BLOCK_CACHE_MB))

GDAL_OPTIONS = {
    # Side files beside the raster are wanted; nothing outside its folder is ever looked for.
    "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE",
    "GDAL_PAM_ENABLED": "YES",
    # No file format here needs the network; should one ask all the same, no address has this ending.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "PROJ_NETWORK": "OFF",
}
# What rasterio raises where GDAL reports an error; not all of it is wrapped in rasterio's own class.
GDAL_ERRORS = (RasterioError, CPLE_BaseError)
# Metadata domains in which a file can name other files for GDAL to open: external overviews and geolocation arrays.
REFERRING_DOMAINS = frozenset(["OVERVIEWS", "PROXYOVERVIEWREQUEST", "GEOLOCATION"])
# One block is decoded as a whole, so this bounds the memory a small file can claim.
MAX_BLOCK_BYTES = 256 * 2**20
# Hyperspectral sensors stay below 500 bands.
MAX_BANDS = 2048
# TIFF blocks whose place in the file is compared with the file's length, spread evenly.
N_CHECKED_OFFSETS = 2_000
# Rasters up to this size are decoded as a whole, which takes a fraction of a second; of others a few blocks.
N_DECODED_PIXELS = 4 * 2**20
MIN_DECODED_BLOCKS = 5
EXPECTED = "expected a readable GeoTIFF, BigTIFF, COG, PNG, JPEG or JPEG 2000"


@contextmanager
def open_raster(
    path: Path, *, overview_level: int | None = None, use_side_files: bool = True
) -> Iterator[DatasetReader]:
    """Open a raster for reading.

    Safe for many threads as long as each opens its own.

    Args:
        path: a file of an allowed format, whatever its name.
        overview_level: open this overview as if it were the raster; 0 is the finest. None means the raster.
        use_side_files: False shows the raster as it is without the files beside it.

    Raises:
        NotARaster: the file is missing, of another format, broken, or names other files to be opened. Also raised for
            GDAL's errors while the caller reads.
    """
    file_format = _require_format(path)
    options = dict(GDAL_OPTIONS)
    if not use_side_files:
        options.update(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO")
    open_options = {} if overview_level is None else {"OVERVIEW_LEVEL": overview_level}
    quieten_rasterio()
    try:
        with (
            rasterio.Env(**options),
            rasterio.open(path.resolve(), driver=file_format.driver, sharing=False, **open_options) as raster,
        ):
            _refuse_references(raster)
            yield raster
    except (*GDAL_ERRORS, UnicodeDecodeError) as error:
        raise NotARaster(
            f"The file cannot be read as {file_format.driver} ({_shorten(error)}); {EXPECTED}.", "file"
        ) from error


def gdal_environment() -> rasterio.Env:
    """Return the configuration under which rasters are written, to be entered with `with`."""
    return rasterio.Env(**GDAL_OPTIONS)


def quieten_rasterio() -> None:
    """Keep rasterio from warning about what is ordinary here: rasters without georeferencing, affine's old operator.

    Filters for the whole process, because `warnings.catch_warnings` must not be used by several threads at once; set
    again at every call, because other code (a test runner, for one) replaces the list of filters.
    """
    first = warnings.filters[0] if warnings.filters else None
    if first is None or first[0] != "ignore" or first[2] is not NotGeoreferencedWarning:
        warnings.filterwarnings("ignore", "Use `@` matmul", PendingDeprecationWarning)
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)


def raster_suffix(path: Path) -> str:
    """Return what a stored copy of this raster ends in: ".tif", ".png", ".jpg" or ".jp2".

    Raises:
        NotARaster: the file has none of the allowed formats.
    """
    return _require_format(path).suffix


def check_raster(path: Path, *, max_pixels: int) -> None:
    """Accept or refuse a file before anything else is done with it; sizes are judged before any pixel is decoded.

    Args:
        path: the file.
        max_pixels: largest width times height.

    Raises:
        TooLarge: more pixels, bands or bytes per block than allowed.
        NotARaster: not an allowed format, complex numbers, overviews that are none, truncated or broken.
    """
    with open_raster(path) as raster:
        _check_types(raster)
        _check_size(raster, max_pixels)
        _check_overviews(raster)
        _check_offsets(raster, path.stat().st_size)
        _check_decoding(raster)


def _require_format(path: Path) -> RasterFormat:
    try:
        file_format = detect_format(path)
    except OSError as error:
        raise NotARaster(f"The file cannot be opened ({error.strerror}); {EXPECTED}.", "file") from error
    if file_format is None:
        raise NotARaster(f"The file has none of the allowed formats; {EXPECTED}.", "file")
    return file_format


def _refuse_references(raster: DatasetReader) -> None:
    found = REFERRING_DOMAINS.intersection(domain.upper() for domain in raster.tag_namespaces())
    if found:
        raise NotARaster(
            f"The raster refers to other files (metadata domain {', '.join(sorted(found))}), which is not allowed; "
            "write it again without them, for example with gdal_translate -nomd.",
            "file",
        )


def _check_size(raster: DatasetReader, max_pixels: int) -> None:
    if raster.width * raster.height > max_pixels:
        raise TooLarge(
            f"The raster has {raster.width:,} x {raster.height:,} pixels; this server takes at most {max_pixels:,}. "
            "Cut it into parts.",
            "file",
        )
    if raster.count > MAX_BANDS:
        raise TooLarge(f"The raster has {raster.count:,} bands; at most {MAX_BANDS:,} are taken.", "file")
    block_height, block_width = raster.block_shapes[0]
    # Not from the profile, which fails for colours that rasterio has no name for, such as LogLuv.
    is_pixel_by_pixel = raster.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE", "").upper() == "PIXEL"
    n_bands = raster.count if is_pixel_by_pixel else 1
    block_bytes = block_height * block_width * n_bands * np.dtype(raster.dtypes[0]).itemsize
    if block_bytes > MAX_BLOCK_BYTES:
        raise TooLarge(
            f"The raster is stored in blocks of {block_width:,} x {block_height:,} pixels, {block_bytes:,} bytes each; "
            f"at most {MAX_BLOCK_BYTES:,} bytes are taken. Write it again with smaller tiles.",
            "file",
        )


def _check_overviews(raster: DatasetReader) -> None:
    # GDAL would draw every picture from such a one, whose size nothing bounds.
    if any(factor < 1 for index in raster.indexes for factor in raster.overviews(index)):
        raise NotARaster(
            "The raster has an overview larger than itself; overviews are expected to be smaller. "
            "Write it again without them, for example with gdaladdo -clean.",
            "file",
        )


def _check_types(raster: DatasetReader) -> None:
    if raster.count == 0:
        raise NotARaster("The file holds no bands, perhaps only subdatasets; upload one of those.", "file")
    if raster.subdatasets:
        raise NotARaster(
            f"The file holds {len(raster.subdatasets)} images; expected one. Export the one you need.", "file"
        )
    odd = sorted({dtype for dtype in raster.dtypes if dtype.startswith("complex")})
    if odd:
        raise NotARaster(
            f"The bands hold complex numbers ({', '.join(odd)}); expected whole or real numbers. "
            "Convert them first, for example to amplitude.",
            "file",
        )


def _check_offsets(raster: DatasetReader, size_bytes: int) -> None:
    """Refuse a TIFF with blocks behind the end of the file, without decoding them."""
    if raster.driver != "GTiff":
        return
    for band in {1, raster.count}:
        for row, col in _spread_blocks(raster, N_CHECKED_OFFSETS):
            offset, length = (
                raster.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE")
            )
            # Sparse files leave blocks out on purpose: those have no place.
            if offset and length and int(offset) + int(length) > size_bytes:
                raise NotARaster(
                    f"The file is truncated: it has {size_bytes:,} bytes, but its pixels reach to byte "
                    f"{int(offset) + int(length):,}. Upload it again.",
                    "file",
                )


def _check_decoding(raster: DatasetReader) -> None:
    """Decode blocks from the first to the last; GDAL's error becomes NotARaster in `open_raster`.

    A block of a PNG or JPEG is a row, and reaching the last one decodes all before it.
    """
    height, width = raster.block_shapes[0]
    n_blocks = max(MIN_DECODED_BLOCKS, N_DECODED_PIXELS // (height * width))
    # libjpeg fills what is missing with grey and only warns.
    with rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING="YES"):
        for band in sorted({1, raster.count}):
            for row, col in _spread_blocks(raster, n_blocks):
                # GDAL decodes a block for any pixel of it. All at once, small PNG files would hide their damage.
                raster.read(band, window=Window(col * width, row * height, 1, 1))


def _spread_blocks(raster: DatasetReader, n_wanted: int) -> list[tuple[int, int]]:
    """Return (block row, block column) of up to `n_wanted` blocks, the first and the last among them."""
    height, width = raster.block_shapes[0]
    n_rows, n_cols = -(-raster.height // height), -(-raster.width // width)
    total = n_rows * n_cols
    n_taken = min(total, n_wanted)
    return [divmod(number * (total - 1) // max(n_taken - 1, 1), n_cols) for number in range(n_taken)]


def _shorten(error: Exception) -> str:
    """Return GDAL's words without the path of the file, which is nobody's business."""
    words = str(error.__cause__ or error).split("/")[-1]
    return words.strip()[:200] or type(error).__name__
