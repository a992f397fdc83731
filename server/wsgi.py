"""The application as servers of several processes load it, each process for itself: `server.wsgi:make_app()`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from server.errors import BadParameter
from server.settings import Settings, read_settings

if TYPE_CHECKING:
    from flask import Flask

# Names another configuration file than the one at the top of the repository; such servers have no room for an option.
CONFIGURATION = "SEGMENT_ANYTHING_RS_CONFIGURATION"


def make_app() -> Flask:
    """Return the application, ready to answer and with its background work begun.

    Raises:
        BadParameter: see `read_shared_settings` and `create_app`.
    """
    # The server's first process only reads settings; what it imports, all others inherit as it is.
    from server.app import create_app, find_background
    from server.observability.logs import configure_logging

    settings = read_shared_settings()
    configure_logging(settings.log_format, is_debug=settings.debug)
    app = create_app(settings)
    find_background(app).start()
    return app


def read_shared_settings() -> Settings:
    """Return the settings of a service of several processes.

    Raises:
        BadParameter: a setting is wrong, or jobs would run in the web processes: each would take the others' running
            jobs for those of an earlier process that stopped.
    """
    path = os.environ.get(CONFIGURATION)
    settings = read_settings(Path(path) if path else None)
    if settings.queue.engine == "local":
        raise BadParameter(
            'Several web processes need jobs on workers of their own: set "queue" to {"engine": "celery", "broker": '
            '"redis://…"} and start workers with `python ultimate.py worker`, or serve with `python ultimate.py`.',
            "queue",
        )
    return settings
