"""Who may ask: whoever has the API key. Routers carry this; no path decides it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import Header

from service.routes.parts import ServiceDep
from zoo.errors import Unauthorized


async def require_key(
    service: ServiceDep,
    authorization: Annotated[str, Header()] = "",
    x_api_key: Annotated[str, Header()] = "",
) -> None:
    """Let a request pass if the server has no key, or the request has the same one.

    Raises:
        Unauthorized: it has none, or a wrong one.
    """
    key = service.settings.api_key
    if key is None:
        return
    scheme, _, token = authorization.partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else x_api_key
    # Digests of equal length: the time that comparing takes tells nothing about the key.
    if not hmac.compare_digest(_digest(given), _digest(key.get_secret_value())):
        raise Unauthorized(
            "this server wants an API key, and the request has none or a wrong one. Send it as "
            "'Authorization: Bearer KEY' or 'X-API-Key: KEY'; the client and `predict` read GRAFT_API_KEY."
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
