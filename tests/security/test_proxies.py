"""Whose address counts: a visitor's own, told by proxies the operator named, and by nobody else."""

from __future__ import annotations

import dataclasses

import pytest

from server.errors import BadParameter
from server.routes.forwarded import ForwardedAddress
from server.settings import make_settings
from tests.routes.support import assert_error, upload, with_token


def seen_by_the_app(trusted: list[str], peer: str, **headers: str) -> tuple[str, str]:
    found = {}
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **headers}
    ForwardedAddress(lambda environ, _start: found.update(environ) or [], trusted)(environ, lambda *_: None)
    assert not [name for name in found if name.startswith("HTTP_X_FORWARDED")]
    return found["REMOTE_ADDR"], found["wsgi.url_scheme"]


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        ("203.0.113.5", "198.51.100.7", "203.0.113.5"),  # nobody named this peer
        ("10.0.0.2", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # what the visitor wrote itself comes first
        ("10.0.0.2", "1.2.3.4, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("10.0.0.2", "10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("10.0.0.2", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.2", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.2", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "1.2.3.4, nonsense", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(peer, header, expected):
    address, _ = seen_by_the_app(["10.0.0.0/8", "::1"], peer, HTTP_X_FORWARDED_FOR=header)
    assert address == expected


def test_the_scheme_is_believed_likewise():
    assert seen_by_the_app(["10.0.0.2"], "10.0.0.2", HTTP_X_FORWARDED_PROTO="https")[1] == "https"
    assert seen_by_the_app(["10.0.0.2"], "10.0.0.2", HTTP_X_FORWARDED_PROTO="gopher")[1] == "http"
    assert seen_by_the_app([], "10.0.0.2", HTTP_X_FORWARDED_PROTO="https")[1] == "http"


def test_forged_addresses_share_one_limit_and_forwarded_ones_have_their_own(start_app, settings, make_raster):
    chosen = dataclasses.replace(settings, ip_access_limit="1 per minute", trusted_proxies=("10.0.0.2",))
    client, raster = with_token(start_app(chosen)), make_raster()

    def send(peer: str, told: str):
        client.environ_base |= {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": told}
        return upload(client, raster)

    assert send("203.0.113.5", "1.1.1.1").status_code == 200
    assert_error(send("203.0.113.5", "2.2.2.2"), 429, "too_frequent")
    assert send("10.0.0.2", "198.51.100.1").status_code == 200
    assert send("10.0.0.2", "198.51.100.2").status_code == 200
    assert_error(send("10.0.0.2", "9.9.9.9, 198.51.100.2"), 429, "too_frequent")


def test_the_cookie_is_secure_behind_a_proxy_with_https(start_app, settings):
    visitor = start_app(dataclasses.replace(settings, trusted_proxies=("127.0.0.1",))).test_client()
    cookie = visitor.get("/", headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]
    assert "Secure" in cookie


@pytest.mark.parametrize("value", ["10.0.0.0/99", "proxy.example", "10.0.0.1/8"])
def test_a_proxy_must_be_an_address_or_a_network(value, tmp_path):
    with pytest.raises(BadParameter, match="trusted_proxies"):
        make_settings({"trusted_proxies": [value]}, tmp_path)
