"""Who is the operator: whoever holds the operator's token, or sits on this machine where that is allowed."""

from __future__ import annotations

import hmac
import ipaddress

from flask import request

from server.errors import NotOperator
from server.routes.forwarded import MARK


def require_operator(token: str) -> None:
    """Let the request pass if it holds the token, as a bearer or as the password of HTTP's basic scheme.

    Raises:
        NotOperator: it does not, or there is no token.
    """
    if not token:
        raise NotOperator('This page is off; the operator switches it on with the setting "operator_token".')
    found = request.authorization
    sent = None if found is None else found.token or found.password
    if sent is None or not hmac.compare_digest(sent.encode(), token.encode()):
        raise NotOperator(
            "This page is for the operator alone; send the operator's token as `Authorization: Bearer TOKEN`, "
            "or as the password when the browser asks for one."
        )


def is_from_loopback() -> bool:
    """Tell whether the request was made on this machine and passed on by nobody."""
    if request.environ.get(MARK):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
