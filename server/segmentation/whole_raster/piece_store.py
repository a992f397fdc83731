"""Keeps the pieces of a whole raster: numbers in a compact table, masks in a scratch file."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.pieces import Piece

# One row per piece. The order of the fields is the order in which pieces are sorted; `offset` depends on the order
# in which windows were looked at and comes last, after the checksum has told apart what differs at all.
ROW = np.dtype(
    [
        ("window", np.int32),
        ("row", np.int32),
        ("col", np.int32),
        ("height", np.int32),
        ("width", np.int32),
        ("area_px", np.int64),
        ("margin_px", np.int32),
        ("predicted_iou", np.float64),
        ("stability_score", np.float64),
        ("x", np.float64),
        ("y", np.float64),
        ("checksum", np.uint32),
        ("n_bytes", np.int32),
        ("offset", np.int64),
    ]
)
SORT_KEYS = [name for name in ROW.names or () if name != "offset"]


class PieceStore:
    """Pieces by number; a context manager that owns a scratch file, so that memory hardly grows with the raster."""

    def __init__(self, folder: Path) -> None:
        """Prepare an empty store whose scratch file lies in `folder`, or where the system cannot show it to anyone."""
        self._folder = folder
        self._windows: list[PixelWindow] = []
        self._table: NDArray[np.void] = np.zeros(1024, dtype=ROW)
        self._n_pieces = 0
        self._n_bytes = 0

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile(prefix="pieces-", dir=self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._n_pieces

    @property
    def table(self) -> NDArray[np.void]:
        """The numbers of all pieces, (len(self),) of `ROW`; to be read only."""
        return self._table[: self._n_pieces]

    def add_window(self, window: PixelWindow) -> int:
        """Make a window known and return its number."""
        self._windows.append(window)
        return len(self._windows) - 1

    def window(self, number: int) -> PixelWindow:
        """Return a window by its number."""
        return self._windows[number]

    def add(self, window: int, piece: Piece) -> int:
        """Take in a piece that window number `window` saw and return its number."""
        if self._n_pieces == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        self._file.seek(self._n_bytes)
        self._file.write(piece.packed)
        box, (x, y) = piece.box, piece.point_xy
        place = (window, box.row, box.col, box.height, box.width, piece.area_px, piece.margin_px)
        rating = (piece.predicted_iou, piece.stability_score, x, y)
        self._table[self._n_pieces] = (
            *place,
            *rating,
            zlib.crc32(piece.packed),
            len(piece.packed),
            self._n_bytes,
        )
        self._n_bytes += len(piece.packed)
        self._n_pieces += 1
        return self._n_pieces - 1

    def sort(self) -> None:
        """Number the pieces anew by window and place, so that numbers do not tell in which order they arrived."""
        order = np.lexsort([self.table[name] for name in reversed(SORT_KEYS)])
        self._table[: self._n_pieces] = self.table[order]

    def box(self, number: int) -> PixelWindow:
        """Return the bounding box of a piece."""
        row: Any = self._table[number]
        return PixelWindow(int(row["col"]), int(row["row"]), int(row["width"]), int(row["height"]))

    def get(self, number: int) -> Piece:
        """Return a piece with its mask."""
        row: Any = self._table[number]
        self._file.seek(int(row["offset"]))
        return Piece(
            window=self._windows[int(row["window"])],
            box=self.box(number),
            packed=self._file.read(int(row["n_bytes"])),
            area_px=int(row["area_px"]),
            predicted_iou=float(row["predicted_iou"]),
            stability_score=float(row["stability_score"]),
            point_xy=(float(row["x"]), float(row["y"])),
            margin_px=int(row["margin_px"]),
        )
