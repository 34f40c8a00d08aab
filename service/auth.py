"""API key: `Authorization: Bearer KEY` or `X-API-Key: KEY`. Every route and router but health requires it."""

from __future__ import annotations

import hashlib
import hmac

from fastapi import Request, Response
from pydantic import SecretStr

from graft.errors import Unauthorized
from service.routes.fast_routes import Endpoint, get_service


async def require_api_key(request: Request) -> None:
    """Check the key of a request, as a FastAPI dependency of a router; raises as `check_api_key` does."""
    if key := get_service(request).settings.api_key:
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


def _sha256_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
