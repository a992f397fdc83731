"""The two messages that workers get, sent through Celery; whichever is lost, workers find the same in the database."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError

QUEUE = "segment_anything_rs"
# Their names, which processes of the next version should still understand.
WORK, WINDOWS = "segment_anything_rs.work", "segment_anything_rs.windows"
# So many messages let dozens of workers have their share of a raster, and cost nothing where there are few.
MAX_RANGES = 64
CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S = 1.0, 5.0
# Requests must not wait for a broker that is away, one after the other.
PAUSE_AFTER_FAILURE_S = 5.0
log = logging.getLogger(__name__)


def make_celery(broker: str) -> Celery:
    """Return the Celery application; nothing is connected yet.

    Args:
        broker: URL of the broker, such as "redis://localhost:6379/0".
    """
    app = Celery(QUEUE, broker=broker, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        # Nothing in a message can be code.
        accept_content=["json"],
        # A message is done with when its work is; each worker holds one.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
        broker_transport_options={
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": ANSWER_TIMEOUT_S,
            "max_retries": 1,
            "interval_start": 0.0,
            "interval_step": 0.0,
        },
    )
    return app


class Messenger:
    """Sends messages; where the broker is away nobody is told, and nothing is lost."""

    def __init__(self, celery: Celery, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._celery = celery
        self._clock = clock
        self._silent_until = float("-inf")

    def tell_of_job(self) -> None:
        """Tell one worker that a job waits."""
        self._send(WORK)

    def tell_of_windows(self, job: str, n_windows: int) -> None:
        """Tell workers that a running job has windows to look at, a range of them each."""
        length = math.ceil(n_windows / MAX_RANGES)
        for first in range(0, n_windows, length):
            if not self._send(WINDOWS, job, first, min(first + length, n_windows)):
                return

    def _send(self, name: str, *arguments: Any) -> bool:
        if self._clock() < self._silent_until:
            return False
        try:
            self._celery.send_task(name, arguments, retry=False, ignore_result=True)
        except (CeleryError, KombuError, OSError) as error:
            self._silent_until = self._clock() + PAUSE_AFTER_FAILURE_S
            log.warning("The broker cannot be reached; idle workers look into the database instead: %s", error)
            return False
        return True
