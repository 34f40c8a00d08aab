"""API key: `Authorization: Bearer KEY` or `X-API-Key: KEY`. Every route and router but health requires it.

A server that other machines can reach must have a key, unless `--allow-anyone-without-a-key` is given.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING

from fastapi import Request, Response
from pydantic import SecretStr

from graft.errors import Unauthorized

if TYPE_CHECKING:
    from service.routes.fast_routes import Endpoint


async def require_api_key(request: Request) -> None:
    """Check the key of a request, as a FastAPI dependency of a router; raises as `check_api_key` does."""
    if key := request.app.state.service.settings.api_key:
        check_api_key(request, key)


def protect_endpoint(endpoint: Endpoint, api_key: SecretStr | None) -> Endpoint:
    """Return an endpoint that checks the key first; the endpoint itself if the server has no key."""
    if api_key is None:
        return endpoint

    async def endpoint_with_key(request: Request) -> Response:
        check_api_key(request, api_key)
        return await endpoint(request)

    return endpoint_with_key


def check_api_key(request: Request, api_key: SecretStr) -> None:
    """Check that a request has the server's key.

    Raises:
        Unauthorized: it has none, or a wrong one.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    request_key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    # Digests of equal length, compared in constant time: the time reveals nothing about the key.
    if not hmac.compare_digest(_sha256_digest(request_key), _sha256_digest(api_key.get_secret_value())):
        raise Unauthorized(
            "this server requires an API key, and the request has none or a wrong one. Send it as "
            "'Authorization: Bearer KEY' or 'X-API-Key: KEY'; the client and `predict` read GRAFT_API_KEY."
        )


def require_key_outside_loopback(host: str, api_key: SecretStr | None) -> None:
    """Require an API key if the server listens at an address that other machines can reach.

    Raises:
        ValueError: there is none.
    """
    if not (is_loopback(host) or api_key):
        raise ValueError(
            f"the host {host!r} is reachable from other machines, and there is no API key. Set GRAFT_API_KEY, "
            "use 127.0.0.1, or pass --allow-anyone-without-a-key"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`; False if that is unknown, as for host names.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("example.com")
    (True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sha256_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
