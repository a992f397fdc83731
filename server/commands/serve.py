"""Serve the page and the HTTP interface with waitress until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import socket
from dataclasses import replace
from pathlib import Path

from server.app import create_app, find_background, find_drain
from server.commands.stopping import Stopping
from server.http_server import create_http_server, is_busy
from server.observability.logs import configure_logging
from server.settings import Settings, make_settings, read_settings

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the operator asked for with "auto"
STOP_TIMEOUT_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of serving, which need no command word."""
    parser.add_argument("--configuration", type=Path, metavar="FILE", help="settings (default: configuration.json)")
    parser.add_argument("--host", help="address to listen on, instead of the configured one")
    parser.add_argument("--port", type=int, help="port to listen on, instead of the configured one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the process is told to stop.

    Raises:
        BadParameter: a setting is wrong, or the address cannot be listened on.
    """
    settings = override(read_settings(arguments.configuration), arguments.host, arguments.port)
    configure_logging(settings.log_format, is_debug=settings.debug)
    app = create_app(settings)
    server = create_http_server(
        app,
        host=ANY_ADDRESS if settings.host == "auto" else settings.host,
        port=settings.port,
        n_threads=settings.n_threads,
        max_upload_bytes=settings.max_upload_bytes,
        spool_folder=settings.cache_folder / "spool",
    )
    background = find_background(app)
    background.start()
    print(f"Serving on http://{visible_host(settings.host)}:{server.effective_port}", flush=True)
    drain = find_drain(app)
    stopping = Stopping(
        drain,
        put_jobs_back=lambda: background.queue.stop(STOP_TIMEOUT_S),
        is_busy=lambda: is_busy(server, drain.began_s),
        drain_s=settings.drain_s,
    )
    signal.signal(signal.SIGTERM, stopping.on_signal)
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        print("Stopping.", flush=True)
        server.close()
        background.stop(STOP_TIMEOUT_S)
    return 0


def override(settings: Settings, host: str | None, port: int | None) -> Settings:
    """Return `settings` with the command line's host and port, checked like the file's."""
    given = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    checked = make_settings(given, Path())
    return replace(settings, **{key: getattr(checked, key) for key in given})


def visible_host(host: str) -> str:
    """Return the address visitors can use: this machine's own one for "auto"."""
    if host not in ("auto", ANY_ADDRESS):
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # A datagram socket sends nothing on connect; it only makes the system choose the outgoing address.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
