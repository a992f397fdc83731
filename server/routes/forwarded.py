"""Finds a visitor's own address behind reverse proxies, and believes only those the operator named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Address = IPv4Address | IPv6Address
# What any visitor may send; behind no trusted proxy they mean nothing and are taken away.
HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)
MARK = "service.forwarded"


class ForwardedAddress:
    """WSGI middleware that sets the visitor's address and scheme.

    Attributes of the environment it leaves: `REMOTE_ADDR`, `wsgi.url_scheme` and `service.forwarded`, which tells
    whether somebody passed the request on.
    """

    def __init__(self, app: Wsgi, trusted: Sequence[str]) -> None:
        """Wrap `app`; `trusted` are addresses and networks such as "127.0.0.1" and "10.0.0.0/8"."""
        self._app = app
        self._networks = [ip_network(item) for item in trusted]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on to the application."""
        sent = {name: environ.pop(name) for name in HEADERS if name in environ}
        environ[MARK] = bool(sent) or "HTTP_VIA" in environ
        if self._is_trusted(_parse(environ.get("REMOTE_ADDR", ""))):
            found = self._find_visitor(sent.get("HTTP_X_FORWARDED_FOR", ""))
            if found is not None:
                environ["REMOTE_ADDR"] = str(found)
            if sent.get("HTTP_X_FORWARDED_PROTO") in ("http", "https"):
                environ["wsgi.url_scheme"] = sent["HTTP_X_FORWARDED_PROTO"]
        return self._app(environ, start_response)

    def _find_visitor(self, header: str) -> Address | None:
        """Return the last address that is no trusted proxy: each proxy appends whom it saw, visitors write the rest."""
        found = None
        for part in reversed(header.split(",")):
            address = _parse(part.strip())
            if address is None:
                return found
            found = address
            if not self._is_trusted(address):
                return found
        return found

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parse(text: str) -> Address | None:
    """Return an address with or without port, IPv4 written as IPv6 as IPv4; None for anything else."""
    bare = text.split("]")[0].removeprefix("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.split(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
