"""The first look at a raster, window by window in any order: several processes may do it together, through a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.looking import Viewer
from server.segmentation.whole_raster.window_plan import plan_grid


class SharedLook:
    """The windows that `segment_raster` asks the network about first; what is found goes where it looks for it.

    Attributes:
        work: what is looked for; processes for which it differs would find something else.
        n_windows: windows to look at, numbered from 0.
    """

    def __init__(self, viewer: Viewer, finished: FinishedWindows, work: str) -> None:
        """Prepare; `finished` is the viewer's, shared with all other processes, and `work` its fingerprint."""
        self.work = work
        self._viewer = viewer
        self._finished = finished
        self._windows = plan_grid(viewer.region, viewer.size_px).windows
        self.n_windows = len(self._windows)

    @property
    def n_at_once(self) -> int:
        """How many windows the network had better be shown together."""
        return max(1, self._viewer.generator.patches_at_once)

    def find_undone(self) -> list[int]:
        """Return the numbers of the windows that nobody has finished yet, in order.

        Raises:
            FileNotFoundError: the work is over, and its files were removed.
        """
        return self._finished.find_undone(self._windows)

    def look(self, numbers: Sequence[int], check: Callable[[], None]) -> None:
        """Look at windows and keep what they show; those that are done already cost nothing.

        Args:
            numbers: of the windows.
            check: called often; may raise to stop.

        Raises:
            FileNotFoundError: see `find_undone`.
        """
        windows = [self._windows[number] for number in numbers]
        if self.n_at_once > 1:
            self._viewer.prepare(windows)
        for window in windows:
            check()
            self._viewer.find(window, lambda _share: check())
