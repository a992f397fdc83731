"""Who is asking: one check before every request, so that no route has to repeat it."""

from __future__ import annotations

import hmac

from flask import Flask, Response, g, request
from werkzeug.exceptions import LengthRequired

from server.clients.sessions import Client
from server.errors import NotHuman
from server.routes.services import services

COOKIE = "uuid"
COOKIE_LIFETIME_S = 7 * 24 * 3600
# These answer anyone and know no client.
OPEN_ENDPOINTS = frozenset(
    {
        "health.health",
        "openapi.openapi",
        "pages.asset",
        "pages.icon",
        "human_check.static",
        "static",
        "shared_results.download_shared",
        # These ask for the operator's token themselves.
        "metrics.metrics",
        "operator.operator_page",
    }
)
# These greet a new client, who may not have answered the question yet.
GREETING_ENDPOINTS = frozenset({"pages.index", "human_check.show_question", "human_check.answer_question"})
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:{images}; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


# What a page of another site may make a browser do here: look, but change nothing, see `_refuse_other_sites`.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_PAGES = frozenset({"same-origin", "none"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def register_guards(app: Flask) -> None:
    """Identify the client before each request; set the cookie and security headers after it."""
    app.before_request(_require_length)
    app.before_request(_identify)
    app.after_request(_finish)


def current_client() -> Client:
    """Return the client `_identify` found for this request."""
    client: Client = g.client
    return client


def renew_client() -> None:
    """Make the current client human under a new id, so that whoever planted or saw the old one has nothing of it."""
    old, clients = current_client(), services().clients
    new = clients.issue()
    clients.mark_human(new.id)
    clients.delete(old.id)
    g.client = g.cookie_client = clients.find(new.id) or new


def _require_length() -> None:
    """Refuse a body whose size is not told, because limits and quotas are checked before it is read.

    Waitress measures such a body before anybody sees it; servers that do not leave it to the application.
    """
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        raise LengthRequired("The size of the body is not told; send it with Content-Length, not in chunks.")


def _identify() -> None:
    endpoint = request.endpoint
    if endpoint is None or endpoint in OPEN_ENDPOINTS:
        return
    _refuse_other_sites()
    header = request.headers.get("Authorization")
    client = _client_of_token(header) if header is not None else services().clients.find(request.cookies.get(COOKIE))
    greeting = endpoint in GREETING_ENDPOINTS
    if client is None:
        if services().asks_question and not greeting:
            raise NotHuman("This client is not known here. Open the start page and answer its question first.")
        client = services().clients.issue()
        g.cookie_client = client
    elif greeting and header is None:
        g.cookie_client = client  # each visit of the page renews the cookie
    if not client.is_human:
        client = _admit(client, greeting)
    g.client = client


def _refuse_other_sites() -> None:
    """Refuse changes that a page of another site asks for in a visitor's name.

    The cookie's SameSite keeps other sites out but not other names and ports of the same one; browsers tell both in
    this header, which no page can set. Programs send no such header.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in SAFE_METHODS and site not in OWN_PAGES:
        raise NotHuman("A page of another site sent this request. Open this service's own page and try again there.")


def _admit(client: Client, greeting: bool) -> Client:
    """Return `client` as it may go on: human where no question is asked, unchanged on the greeting pages."""
    if not services().asks_question:
        services().clients.mark_human(client.id)
        return services().clients.find(client.id) or client
    if not greeting:
        raise NotHuman("The human check has not been passed yet. Open the start page and answer its question.")
    return client


def _client_of_token(header: str) -> Client:
    scheme, _, token = header.partition(" ")
    sent = token.strip().encode()
    known = [item for item in services().api_tokens if hmac.compare_digest(item.encode(), sent)]
    if scheme.lower() != "bearer" or not known:
        raise NotHuman('The Authorization header holds no token of this server; expected "Bearer TOKEN".')
    return services().clients.token_client(known[0])


def _finish(response: Response) -> Response:
    client: Client | None = g.get("cookie_client")
    if client is not None:
        response.set_cookie(
            COOKIE, client.id, max_age=COOKIE_LIFETIME_S, httponly=True, samesite="Lax", secure=request.is_secure
        )
    origin = services().basemap.origin
    policy = CONTENT_SECURITY_POLICY.format(images=f" {origin}" if origin else "")
    response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # Public tile servers refuse requests that do not say from which site they come; they learn its name, not more.
    response.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin" if origin else "same-origin")
    return response
