"""Windows of one job looked at by many workers: each takes some that are not done, until none is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sqlalchemy.exc import OperationalError

from server.cluster.messages import Messenger
from server.jobs.claims import OpenWork, WindowClaims
from server.jobs.tasks import Report

# How long to pause where other workers are at all windows that are left.
PAUSE_S = 0.05
# A claim covers up to four rounds of the network, so that claims cost little, but one while few windows are left.
MOST_ROUNDS, FEW_ROUNDS = 4, 16
log = logging.getLogger(__name__)


class Look(Protocol):
    """Windows to look at; see `server.segmentation.whole_raster.shared_look`.

    Attributes:
        work: what is looked for.
        n_windows: how many there are, numbered from 0.
    """

    work: str
    n_windows: int

    @property
    def n_at_once(self) -> int:
        """How many windows are best looked at together."""
        ...

    def find_undone(self) -> list[int]:
        """Return the numbers of the windows that nobody has finished yet, in order."""
        ...

    def look(self, numbers: Sequence[int], check: Callable[[], None]) -> None:
        """Look at those of the windows that nobody has finished meanwhile; `check` may raise to stop."""
        ...


class LookingTogether:
    """Gets all windows of a job looked at, by the worker that has the job and any other that is free."""

    def __init__(self, claims: WindowClaims, messenger: Messenger) -> None:
        self._claims = claims
        self._messenger = messenger

    def __call__(self, job: str, look: Look, report: Report) -> None:
        """Return when all windows are done, whoever did them; alone where nobody helps.

        Args:
            job: id of the job, which this worker has claimed.
            look: its windows.
            report: told the finished share, 0..1, and a step in words; may raise to stop.
        """
        try:
            if len(look.find_undone()) > look.n_at_once:
                self._claims.offer(OpenWork(job, look.work, look.n_windows))
                self._messenger.tell_of_windows(job, look.n_windows)
            while undone := look.find_undone():
                n_done = look.n_windows - len(undone)
                check = _report_window(report, n_done, look.n_windows)
                check()
                # From the end, because those who help begin at the front.
                taken = self._take(job, undone[::-1], choose_share(look, len(undone)))
                for number, part in enumerate(split(taken, look.n_at_once)):
                    n_more = number * look.n_at_once
                    look.look(part, _report_window(report, min(n_done + n_more, look.n_windows - 1), look.n_windows))
                if not taken:
                    time.sleep(PAUSE_S)
        finally:
            self._claims.close(job)

    def _take(self, job: str, numbers: Sequence[int], n_most: int) -> Sequence[int]:
        """Claim windows; where the database is away go on without, until this worker has lost the job."""
        try:
            return self._claims.take(job, numbers, n_most)
        except OperationalError as error:
            log.warning("Windows are looked at without a claim: %s", error)
            return numbers[:n_most]


def help_looking(
    claims: WindowClaims, job: str, look: Look, numbers: range, check: Callable[[], None], is_done: Callable[[], bool]
) -> int:
    """Look at windows of a job that another worker has, without waiting for anybody; return how many they were.

    Args:
        claims: of this worker.
        job: id of the job.
        look: its windows.
        numbers: those to look at.
        check: called often; may raise to stop.
        is_done: asked between windows; true ends the help.
    """
    n_looked_at = 0
    try:
        while not is_done():
            undone = look.find_undone()
            wanted = [number for number in undone if number in numbers]
            taken = claims.take(job, wanted, choose_share(look, len(undone)))
            if not taken:
                break
            for part in split(taken, look.n_at_once):
                look.look(part, check)
            n_looked_at += len(taken)
    finally:
        claims.take(job, (), 0)
    return n_looked_at


def choose_share(look: Look, n_undone: int) -> int:
    """Return how many windows to claim at once: some while many are left, few in the end, when all should be done."""
    n_rounds = n_undone // (look.n_at_once * FEW_ROUNDS)
    return look.n_at_once * min(max(1, n_rounds), MOST_ROUNDS)


def split(numbers: Sequence[int], n_at_once: int) -> Iterator[Sequence[int]]:
    """Yield parts of what was claimed that are looked at together."""
    for start in range(0, len(numbers), n_at_once):
        yield numbers[start : start + n_at_once]


def _report_window(report: Report, n_done: int, n_windows: int) -> Callable[[], None]:
    return lambda: report(n_done / n_windows, f"window {n_done + 1} of {n_windows}")
