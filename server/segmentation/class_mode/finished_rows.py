"""Keeps what class mode saw on disk, so that a job whose process was killed goes on where it was.

Logits are large, so those of a window stay only until all ground that it shows is decided; of decided ground one bit
per pixel stays.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.blending import Logits
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.rectangles import bottom
from server.segmentation.whole_raster.window_plan import WindowPlan

# What the file of a window holds: that there was no data, that all its ground is decided, or logits after this byte.
NO_DATA, DECIDED, LOGITS = b"0", b"1", b"2"


class FinishedRows:
    """What earlier attempts at the same work saw, and where this one keeps what it sees.

    Attributes:
        n_empty: windows without data.
        n_reused: windows with data that the network was not shown again.
    """

    def __init__(self, files: KeptFiles, plan: WindowPlan) -> None:
        self._files = files
        self._plan = plan
        self._decided_end = self._find_decided_end()
        self._logits_from = 0
        self.n_empty = 0
        self.n_reused = 0

    def look(self, window: PixelWindow, look: Callable[[], Logits | None]) -> Logits | None:
        """Return the logits of a window, None where it holds no data or nobody needs them; `look` asks the network."""
        name = _name_window(window)
        known = self._files.read(name)
        is_needed = bottom(window) > self._decided_end
        if known is None or (known == DECIDED and is_needed):  # the latter where a strip was damaged
            logits = look()
            self._files.write(name, NO_DATA if logits is None else LOGITS + zlib.compress(logits.tobytes(), level=1))
            self.n_empty += logits is None
            return logits
        self.n_empty += known == NO_DATA
        self.n_reused += known != NO_DATA
        if known[:1] != LOGITS:
            return None
        if not is_needed:
            self._files.write(name, DECIDED)
            return None
        return np.frombuffer(zlib.decompress(known[1:]), dtype=np.float32).reshape(window.height, window.width)

    def decide(self, strip: PixelWindow, logits: Logits) -> NDArray[np.bool_]:
        """Return bool (strip.height, strip.width): where the class is; `logits` count where that is not known yet."""
        if bottom(strip) <= self._decided_end:
            return self._read_strip(strip)
        is_class = logits > 0
        packed = zlib.compress(np.packbits(is_class).tobytes(), level=1)
        self._files.write(_name_strip(strip.row), strip.height.to_bytes(4, "little") + packed)
        self._decided_end = bottom(strip)
        self._drop_logits()
        return is_class

    def _find_decided_end(self) -> int:
        """Return the row of the raster at which undecided ground begins."""
        row = self._plan.region.row
        while (known := self._files.read(_name_strip(row))) is not None:
            row += int.from_bytes(known[:4], "little")
        return row

    def _read_strip(self, strip: PixelWindow) -> NDArray[np.bool_]:
        known = self._files.read(_name_strip(strip.row))
        if known is None:
            raise OSError(f"The decided strip at row {strip.row} was removed or damaged while its job was running.")
        bits = np.frombuffer(zlib.decompress(known[4:]), dtype=np.uint8)
        return np.unpackbits(bits, count=strip.width * strip.height).reshape(strip.height, strip.width).view(np.bool_)

    def _drop_logits(self) -> None:
        """Drop the logits of windows whose ground is decided; windows go row by row, so what is done stays behind."""
        windows = self._plan.windows
        while self._logits_from < len(windows) and bottom(windows[self._logits_from]) <= self._decided_end:
            name = _name_window(windows[self._logits_from])
            if self._files.read(name) not in (NO_DATA, DECIDED):
                self._files.write(name, DECIDED)
            self._logits_from += 1


def _name_window(window: PixelWindow) -> str:
    return f"window-{window.row}-{window.col}"


def _name_strip(row: int) -> str:
    return f"strip-{row}"
