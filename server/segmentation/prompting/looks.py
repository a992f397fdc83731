"""Chooses which part of a raster the network looks at: around the prompts, finer first, coarser for large objects."""

from __future__ import annotations

from dataclasses import dataclass

from server.rasters.windows import PixelWindow
from server.segmentation.prompting.prompts import Extent
from server.segmentation.whole_raster.rectangles import bottom, right

# Corners of windows lie on a grid of half a window, so that clicks close to each other share one encoder output and a
# click is never closer to a border than a quarter; what does not fit so may use the finer grid.
GRIDS_PER_WINDOW = (2, 8)
# Share of the window that stays free around prompts and masks, because networks need to see what is around.
MARGIN_SHARE = 1 / 16
# The longest thing, as a share of the window, that has such a margin on both sides wherever the fine grid puts it.
MOST_SHARE = 1 - 2 * MARGIN_SHARE - 1 / GRIDS_PER_WINDOW[-1]


@dataclass(frozen=True)
class Look:
    """One window and how the network sees it.

    Attributes:
        window: of the raster.
        shape: rows and columns of the patch.
    """

    window: PixelWindow
    shape: tuple[int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the raster per pixel of the patch."""
        return self.window.width / self.shape[1], self.window.height / self.shape[0]

    @property
    def is_native(self) -> bool:
        """Tell whether the patch has the pixels of the raster."""
        return self.shape == (self.window.height, self.window.width)


@dataclass(frozen=True)
class Looks:
    """Looks on one raster.

    Attributes:
        width: of the raster in pixels.
        height: of the raster in pixels.
        input_size: side in pixels of the square the network sees.
    """

    width: int
    height: int
    input_size: int

    def around(self, extent: Extent, least_step: int = 1) -> Look:
        """Return the finest look that shows `extent` with room around it.

        Args:
            extent: inside the raster.
            least_step: pixels of the raster per pixel of the network's input, at least; a power of two.
        """
        step = least_step
        while True:
            side = self.input_size * step
            for n_per_window in GRIDS_PER_WINDOW:
                window = self._place(extent, side, max(1, side // n_per_window))
                if self._shows(window, extent, side):
                    return self._make(window)
            step *= 2

    def centre(self, look: Look, extent: Extent) -> Look | None:
        """Return a look as fine as `look` that shows more of what goes on behind its borders.

        Args:
            look: where `extent` was seen, cut by a border.
            extent: what was seen.

        Returns:
            `extent` in the middle, or as far from the border that cuts it as if it went on as long as it was seen;
            None where it does not fit with room around it, or the window is the same.
        """
        side, window = self.side_of(look), look.window
        grid = max(1, side // GRIDS_PER_WINDOW[-1])
        x0, x1 = _go_on((extent.x0, extent.x1), (window.col, right(window)), side)
        y0, y1 = _go_on((extent.y0, extent.y1), (window.row, bottom(window)), side)
        moved = self._place(Extent(x0, y0, x1, y1), side, grid)
        return self._make(moved) if moved != window and self._shows(moved, extent, side) else None

    def coarser(self, look: Look, extent: Extent) -> Look | None:
        """Return a look that sees twice as far around `extent` or further; None where `look` sees everything."""
        if look.window == PixelWindow(0, 0, self.width, self.height):
            return None
        return self.around(extent, 2 * self.side_of(look) // self.input_size)

    def side_of(self, look: Look) -> int:
        """Return the side of the square window that `look` is, or was cut from at the raster's borders."""
        side = self.input_size
        while side < max(look.window.width, look.window.height):
            side *= 2
        return side

    def _place(self, extent: Extent, side: int, grid: int) -> PixelWindow:
        x, y = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
        col, row = _start(x, self.width, side, grid), _start(y, self.height, side, grid)
        return PixelWindow(col, row, min(side, self.width), min(side, self.height))

    def _shows(self, window: PixelWindow, extent: Extent, side: int) -> bool:
        """Tell whether `extent` lies in the window, away from borders that are not the raster's."""
        margin = side * MARGIN_SHARE
        return (
            (window.col == 0 or extent.x0 >= window.col + margin)
            and (window.row == 0 or extent.y0 >= window.row + margin)
            and (right(window) == self.width or extent.x1 <= right(window) - margin)
            and (bottom(window) == self.height or extent.y1 <= bottom(window) - margin)
        )

    def _make(self, window: PixelWindow) -> Look:
        """Return the look that fills the network's input without showing more pixels than there are."""
        longest = max(window.width, window.height)
        if longest <= self.input_size:
            return Look(window, (window.height, window.width))
        share = self.input_size / longest
        return Look(window, (max(1, round(window.height * share)), max(1, round(window.width * share))))


def _start(middle: float, length: int, side: int, grid: int) -> int:
    """Return where a window of `side` around `middle` starts: on the grid, or at the far border of the raster."""
    return min(max(round((middle - side / 2) / grid) * grid, 0), max(length - side, 0))


def _go_on(seen: tuple[float, float], borders: tuple[int, int], side: int) -> tuple[float, float]:
    """Return the range that something seen between two borders of a window probably fills.

    Where one border cuts it, it is taken to be twice as long, but no longer than what a window shows with room around.
    """
    low, high = seen
    touch = side * MARGIN_SHARE / 2
    longer = max(min(high - low, side * MOST_SHARE - (high - low)), 0.0)
    if high >= borders[1] - touch and low > borders[0] + touch:
        return low, high + longer
    if low <= borders[0] + touch and high < borders[1] - touch:
        return low - longer, high
    return low, high
