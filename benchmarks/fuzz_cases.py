"""Damaged rasters for `benchmarks.fuzz`: every case follows from the seed and its number, so any can be made again."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2"})
# Larger ones would make a case slow without saying more: what can be damaged is the structure, not the pixels.
MAX_SEED_BYTES = 300_000
# Numbers that sizes, offsets and counts are wrong with most dangerously.
EDGES = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
HEAD_BYTES = 2048
TILED = {"tiled": True, "blockxsize": 32, "blockysize": 32}
GENERATED = (
    ("GTiff", {"compress": "deflate", "predictor": 2, **TILED}, "uint8", 3),
    ("GTiff", {"compress": "lzw", "predictor": 2}, "uint16", 4),
    ("GTiff", {"compress": "deflate", "predictor": 3, "interleave": "pixel"}, "float32", 3),
    ("GTiff", {"compress": "jpeg", "photometric": "ycbcr", **TILED}, "uint8", 3),
    ("GTiff", {"compress": "zstd"}, "int16", 1),
    ("GTiff", {"compress": "webp", "interleave": "pixel", **TILED}, "uint8", 3),
    ("GTiff", {"compress": "lerc"}, "float32", 1),
    ("GTiff", {"compress": "lerc_deflate"}, "float32", 1),
    ("GTiff", {"compress": "packbits"}, "uint8", 1),
    ("GTiff", {"compress": "ccittfax4", "nbits": 1}, "uint8", 1),
    ("GTiff", {"bigtiff": "YES", **TILED}, "uint8", 3),
    ("GTiff", {"endianness": "BIG"}, "uint32", 2),
    ("GTiff", {"nbits": 11}, "uint16", 1),
    ("GTiff", {"sparse_ok": True, **TILED}, "float64", 2),
    ("PNG", {}, "uint8", 4),
    ("PNG", {}, "uint16", 1),
    ("JPEG", {}, "uint8", 3),
    ("JPEG", {"progressive": True}, "uint8", 1),
    ("JP2OpenJPEG", {"codec": "JP2", "quality": 100, "reversible": "YES"}, "uint8", 3),
    ("JP2OpenJPEG", {}, "uint16", 1),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One damaged raster.

    Attributes:
        number: its place in the run.
        name: file name to upload it under.
        content: its bytes.
        story: the seed file and what was done to it.
    """

    number: int
    name: str
    content: bytes
    story: str


class Corpus:
    """The intact rasters that cases are made of, in a fixed order."""

    def __init__(self, zoo: Path | None) -> None:
        """Generate rasters, and read those of `zoo` that are small enough; None leaves it at the generated ones."""
        self.seeds = [(f"generated-{index}", content) for index, content in enumerate(generate_rasters())]
        paths = sorted(zoo.rglob("*")) if zoo is not None else []
        for path in paths:
            if path.suffix.lower() in SUFFIXES and path.stat().st_size <= MAX_SEED_BYTES:
                self.seeds.append((path.name, path.read_bytes()))

    def make(self, seed: int, number: int) -> Case:
        """Return case `number` of the run with `seed`."""
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose
        name, content = chance.choice(self.seeds)
        steps = []
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            change = chance.choice(CHANGES)
            content = change(chance, content, self.seeds)
            steps.append(change.__name__)
        suffix = Path(name).suffix or ".tif"
        return Case(number, f"case{suffix}", content, f"{name}: {', '.join(steps)}")


def generate_rasters() -> list[bytes]:
    """Return small rasters of many formats, codecs and types, one with mask and overviews among them."""
    rows, cols = np.mgrid[0:70, 0:90]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for driver, options, dtype, count in GENERATED:
            bands = np.stack([(rows * (band + 1) + cols) % 200 for band in range(count)]).astype(dtype)
            profile = {"driver": driver, "width": 90, "height": 70, "count": count, "dtype": dtype, **options}
            if driver == "GTiff":
                profile |= {"crs": "EPSG:32650", "transform": from_origin(500_000, 4_400_000, 0.5, 0.5)}
            with MemoryFile() as memory:
                with rasterio.Env(GDAL_PAM_ENABLED="NO"), memory.open(**profile) as target:
                    target.write(bands)
                found.append(memory.read())
        found.append(_with_mask_and_overviews())
    return found


def _with_mask_and_overviews() -> bytes:
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 3, "dtype": "uint8", "tiled": True,
               "blockxsize": 64, "blockysize": 64, "compress": "deflate", "crs": "EPSG:4326",
               "transform": from_origin(10, 50, 1e-5, 1e-5), "nodata": 0}  # fmt: skip
    with MemoryFile() as memory:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), memory.open(**profile) as target:
            target.write(np.full((3, 256, 256), 90, np.uint8))
            target.write_mask(np.tri(256, dtype=bool))
            target.build_overviews([2, 4])
        return bytes(memory.read())


Seeds = Sequence[tuple[str, bytes]]


def flip_bits(chance: random.Random, content: bytes, _seeds: Seeds) -> bytes:
    """Flip up to 16 bits anywhere."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 16) if damaged else 0):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def flip_head(chance: random.Random, content: bytes, seeds: Seeds) -> bytes:
    """Flip bits where formats describe themselves."""
    return flip_bits(chance, content[:HEAD_BYTES], seeds) + content[HEAD_BYTES:]


def put_edges(chance: random.Random, content: bytes, _seeds: Seeds) -> bytes:
    """Write dangerous numbers of 2, 4 or 8 bytes into the head or the tail."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        code = chance.choice("HIQ")
        value = struct.pack(chance.choice("<>") + code, chance.choice(EDGES) % 2 ** (8 * struct.calcsize(code)))
        place = chance.randrange(max(1, min(len(damaged), HEAD_BYTES)))
        if chance.random() < 0.3:
            place = max(0, len(damaged) - 1 - place)
        damaged[place : place + len(value)] = value
    return bytes(damaged)


def change_tag(chance: random.Random, content: bytes, seeds: Seeds) -> bytes:
    """Rewrite one field of one entry of a classic TIFF's first directory; other formats get dangerous numbers."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return put_edges(chance, content, seeds)
    start = struct.unpack_from(order + "I", content, 4)[0] if len(content) >= 8 else len(content)
    if start + 2 > len(content):
        return put_edges(chance, content, seeds)
    n_entries = struct.unpack_from(order + "H", content, start)[0]
    place = start + 2 + 12 * chance.randrange(max(1, n_entries))
    offset, code, values = chance.choice(
        ((0, "H", range(254, 350)), (2, "H", range(19)), (4, "I", EDGES), (8, "I", EDGES), (8, "H", range(256)))
    )
    if place + 12 > len(content):
        return put_edges(chance, content, seeds)
    damaged = bytearray(content)
    struct.pack_into(order + code, damaged, place + offset, chance.choice(values))
    return bytes(damaged)


def cut_short(chance: random.Random, content: bytes, _seeds: Seeds) -> bytes:
    """Keep the beginning."""
    return content[: chance.randrange(len(content) + 1)]


def drop_part(chance: random.Random, content: bytes, _seeds: Seeds) -> bytes:
    """Take a piece out of the middle."""
    start = chance.randrange(len(content) + 1)
    return content[:start] + content[start + chance.randint(1, 512) :]


def repeat_part(chance: random.Random, content: bytes, _seeds: Seeds) -> bytes:
    """Let a piece occur twice."""
    start = chance.randrange(len(content) + 1)
    end = start + chance.randint(1, 2048)
    return content[:end] + content[start:]


def put_noise(chance: random.Random, content: bytes, _seeds: Seeds) -> bytes:
    """Overwrite a piece with noise."""
    start = chance.randrange(len(content) + 1)
    noise = chance.randbytes(chance.randint(1, 64))
    return content[:start] + noise + content[start + len(noise) :]


def graft(chance: random.Random, content: bytes, seeds: Seeds) -> bytes:
    """Go on with the rest of another raster."""
    _, other = chance.choice(seeds)
    start = chance.randrange(min(len(content), len(other)) + 1)
    return content[:start] + other[start:]


CHANGES: tuple[Callable[[random.Random, bytes, Seeds], bytes], ...] = (
    flip_bits, flip_head, put_edges, change_tag, change_tag, cut_short, drop_part, repeat_part, put_noise, graft,
)  # fmt: skip
