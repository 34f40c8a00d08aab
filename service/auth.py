"""Who may ask: whoever has the API key. Every route and router carries this; no path decides it."""

from __future__ import annotations

import hashlib
import hmac

from fastapi import Request, Response

from graft.errors import Unauthorized
from service.routes.fast_routes import Endpoint, get_service


async def require_api_key(request: Request) -> None:
    """Let a request of a FastAPI router pass, as `check_api_key` does."""
    check_api_key(request)


def check_api_key(request: Request) -> None:
    """Let a request pass if the server has no key, or the request has the same one.

    Raises:
        Unauthorized: it has none, or a wrong one.
    """
    key = get_service(request).settings.api_key
    if key is None:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    request_key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    # Digests of equal length: the time that comparing takes tells nothing about the key.
    if not hmac.compare_digest(_sha256_digest(request_key), _sha256_digest(key.get_secret_value())):
        raise Unauthorized(
            "this server wants an API key, and the request has none or a wrong one. Send it as "
            "'Authorization: Bearer KEY' or 'X-API-Key: KEY'; the client and `predict` read GRAFT_API_KEY."
        )


def protect_endpoint(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that wants the key first."""

    async def endpoint_with_key(request: Request) -> Response:
        check_api_key(request)
        return await endpoint(request)

    return endpoint_with_key


def _sha256_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
