"""Log lines for people or for programs, with the ids of request and job and without what must stay secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

from server.observability.context import SHOWN_ID_LENGTH, current_ids

LogFormat = Literal["text", "json"]
log = logging.getLogger(__name__)
NOISY = ("rasterio", "PIL", "urllib3", "fiona")
# A client's folder has the name of its cookie: whoever reads logs must not learn it from a path in a traceback.
CLIENT_FOLDER = re.compile(rf"(clients[/\\]+)[0-9a-f]{{{32 - SHOWN_ID_LENGTH}}}([0-9a-f]{{{SHOWN_ID_LENGTH}}})")


def configure_logging(log_format: str, *, is_debug: bool) -> None:
    """Send all log lines of this process to standard error.

    Args:
        log_format: "text" for people, "json" for one JSON object per line.
        is_debug: also log requests and internal steps.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.DEBUG if is_debug else logging.INFO, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)
    sys.unraisablehook = _note_ignored


def _note_ignored(ignored: sys.UnraisableHookArgs) -> None:
    """Log in one line what Python could raise nowhere, such as rasterio's trouble with GDAL's broken messages."""
    log.debug("Ignored in %r: %r", ignored.object, ignored.exc_value)


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00,000 INFO server.jobs: the message [request=… job=…]`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name logging calls
        """Return the first line, ids behind it."""
        ids = " ".join(f"{name}={value}" for name, value in current_ids().items())
        line = super().formatMessage(record)
        return f"{line} [{ids}]" if ids else line

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole entry, line breaks of its message escaped so that no visitor can forge another entry."""
        return hide_client_folders(super().format(_without_line_breaks(record)))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the ids, fields of `extra={"fields": …}`, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry as one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **current_ids(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return hide_client_folders(json.dumps(content, ensure_ascii=False, default=str))


def hide_client_folders(text: str) -> str:
    """Return `text` with the names of clients' folders shortened to their ends."""
    return CLIENT_FOLDER.sub(r"\1…\2", text)


def _without_line_breaks(record: logging.LogRecord) -> logging.LogRecord:
    message = record.getMessage()
    safe = message.replace("\r", "\\r").replace("\n", "\\n")
    if safe == message:
        return record
    copy = logging.makeLogRecord(record.__dict__)
    copy.msg, copy.args = safe, None
    return copy
