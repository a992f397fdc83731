"""Keeps what the network found in each window on disk, so that a job whose process was killed goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import Thresholds
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.pieces import Piece

DIGEST_BYTES = 16
# One row per piece; their masks follow all rows, in the same order.
ROW = np.dtype(
    [
        ("col", "<i4"),
        ("row", "<i4"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("area_px", "<i8"),
        ("margin_px", "<i4"),
        ("predicted_iou", "<f8"),
        ("stability_score", "<f8"),
        ("x", "<f8"),
        ("y", "<f8"),
        ("n_bytes", "<i4"),
    ]
)
Find = Callable[[], list[Piece] | None]


class FinishedWindows:
    """Answers of the network by question: a window, and the clicks in it.

    Attributes:
        n_reused: windows whose objects came from disk and not from the network.
    """

    def __init__(self, files: KeptFiles) -> None:
        self._files = files
        self.n_reused = 0

    def has(self, window: PixelWindow) -> bool:
        """Tell whether all objects of a window were found before."""
        return self._files.has(_name(window, None, None))

    def find_undone(self, windows: Sequence[PixelWindow]) -> list[int]:
        """Return the positions in `windows` of those whose objects nobody has found yet.

        Raises:
            FileNotFoundError: the task is over, and its files were removed.
        """
        names = self._files.list_names()
        return [number for number, window in enumerate(windows) if _name(window, None, None) not in names]

    def find(self, window: PixelWindow, find: Find) -> list[Piece] | None:
        """Return all objects of a window, None where it holds no data; `find` asks the network for them."""
        is_known, pieces = self._recall(window, None, None, find)
        self.n_reused += is_known and pieces is not None
        return pieces

    def click(
        self, window: PixelWindow, points_xy: NDArray[np.float64], thresholds: Thresholds, find: Find
    ) -> list[Piece]:
        """Return the objects that clicks find in a window; `find` asks the network for them."""
        return self._recall(window, points_xy, thresholds, find)[1] or []

    def _recall(
        self, window: PixelWindow, points_xy: NDArray[np.float64] | None, thresholds: Thresholds | None, find: Find
    ) -> tuple[bool, list[Piece] | None]:
        """Return whether the answer was known, and the answer."""
        name = _name(window, points_xy, thresholds)
        known = self._files.read(name)
        if known is not None:
            return True, _unpack_pieces(known, window)
        pieces = find()
        self._files.write(name, _pack_pieces(pieces))
        return False, pieces


def _name(window: PixelWindow, points_xy: NDArray[np.float64] | None, thresholds: Thresholds | None) -> str:
    """Return what the answer to a question is called."""
    question = hashlib.blake2b(repr((tuple(window), thresholds)).encode(), digest_size=DIGEST_BYTES)
    if points_xy is not None:
        question.update(np.ascontiguousarray(points_xy, dtype="<f8").tobytes())
    return question.hexdigest()


def _pack_pieces(pieces: list[Piece] | None) -> bytes:
    """Return the pieces of one window as bytes: their number, -1 for no data, then rows, then masks."""
    rows = np.zeros(len(pieces or []), dtype=ROW)
    for number, piece in enumerate(pieces or []):
        ratings = (piece.predicted_iou, piece.stability_score, *piece.point_xy)
        rows[number] = (*piece.box, piece.area_px, piece.margin_px, *ratings, len(piece.packed))
    n_pieces = -1 if pieces is None else len(pieces)
    return b"".join([n_pieces.to_bytes(4, "little", signed=True), rows.tobytes(), *(p.packed for p in pieces or [])])


def _unpack_pieces(content: bytes, window: PixelWindow) -> list[Piece] | None:
    """Return what `_pack_pieces` was given."""
    n_pieces = int.from_bytes(content[:4], "little", signed=True)
    if n_pieces < 0:
        return None
    rows = np.frombuffer(content, dtype=ROW, count=n_pieces, offset=4)
    pieces, start = [], 4 + rows.nbytes
    for col, row, width, height, area_px, margin_px, iou, stability, x, y, n_bytes in rows.tolist():
        box = PixelWindow(col, row, width, height)
        packed = content[start : start + n_bytes]
        pieces.append(Piece(window, box, packed, area_px, iou, stability, (x, y), margin_px))
        start += n_bytes
    return pieces
