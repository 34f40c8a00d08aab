"""Request body -> samples, by content type: one bare sample, multipart/form-data, or TensorFlow Serving's JSON."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from fastapi import Request

from graft.errors import BadRequest, WrongContentType
from service.limits.samples_per_request import max_samples
from service.models.input_kinds import GENERIC_CONTENT_TYPES, ImageKind, InputKind, WireSample
from service.models.model import Model
from service.routes.fast_routes import get_disconnect_check, get_service
from service.routes.multipart import parse_multipart
from service.routes.tf_serving import parse_json_samples

BodyForm = Literal["bare", "multipart", "instances", "inputs"]
_FORM_URLENCODED: Final = "application/x-www-form-urlencoded"  # what curl sends by default
_UTF8_CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii", "ascii")


async def request_samples(request: Request, body: bytes, model: Model) -> tuple[BodyForm, list[WireSample]]:
    """Return the samples of a request whose `body` was received, in their order, and the form they came in.

    A bare sample is returned at once; other bodies are parsed on a worker thread.

    Raises:
        WrongContentType: the content type is not supported, or not what the model takes.
        BadRequest: the body is empty, malformed, or has too many samples.
        NotText: a text has a lone surrogate.
        Overloaded: the server is full.
    """
    content_type, kind = request.headers.get("content-type", ""), model.input_kind
    if not _needs_parsing(content_type):
        return parse_body(content_type, body, kind, 1)
    service = get_service(request)
    limit = max_samples(service.settings, model)
    with service.admission.admit(1):
        return await service.workers.run(
            lambda: parse_body(content_type, body, kind, limit), get_disconnect_check(request)
        )


def parse_body(content_type: str, body: bytes, input_kind: InputKind, limit: int) -> tuple[BodyForm, list[WireSample]]:
    """Parse a body of at most `limit` samples of what the model takes; raises as `request_samples` does."""
    media_type, charset = _parse_content_type(content_type)
    if media_type == "multipart/form-data":
        return "multipart", [*parse_multipart(content_type, body, limit)]
    if is_json_body(content_type, body):
        return parse_json_samples(body, input_kind, limit)
    _check_bare_sample(media_type, charset, body, input_kind)
    return "bare", [body]


def is_json_body(content_type: str, body: bytes) -> bool:
    """Return whether a body is JSON by its type; curl's default type is taken for JSON if the body begins like it."""
    media_type, _ = _parse_content_type(content_type)
    return media_type in ("application/json", "text/json") or (
        media_type == _FORM_URLENCODED and body.lstrip()[:1] == b"{"
    )


def require_json(content_type: str, body: bytes) -> None:
    """Check that a body is JSON by its type.

    Raises:
        WrongContentType: it is something else.
        BadRequest: it is empty.
    """
    if not body:
        raise BadRequest("the body is empty. Send JSON.")
    if not is_json_body(content_type, body):
        raise WrongContentType(
            f"a body of type {_parse_content_type(content_type)[0]!r} is not supported here. Send application/json."
        )


def _needs_parsing(content_type: str) -> bool:
    """Return whether a body is more than one bare sample."""
    media_type, _ = _parse_content_type(content_type)
    return media_type not in GENERIC_CONTENT_TYPES and not media_type.startswith(("image/", "text/plain"))


def _check_bare_sample(media_type: str, charset: str, body: bytes, kind: InputKind) -> None:
    """Check that a body may be one sample of what the model takes, as far as its content type tells."""
    takes_images = isinstance(kind, ImageKind)
    fits = media_type.startswith("image/") if takes_images else media_type == "text/plain"
    if not fits and media_type not in GENERIC_CONTENT_TYPES:
        raise WrongContentType(
            f"a body of type {media_type!r} is not supported: the model takes {kind.plural}. Allowed are "
            f"{'image/*' if takes_images else 'text/plain in UTF-8'}, application/octet-stream, multipart/form-data "
            f"and application/json; with curl use {kind.curl_arguments}."
        )
    if takes_images and not body:
        raise BadRequest(f"the body is empty. Send an image file, such as curl {kind.curl_arguments}.")
    if not takes_images and charset not in _UTF8_CHARSETS:
        raise WrongContentType(f"texts in the charset {charset[:50]!r} are not supported. Send UTF-8.")


@lru_cache(maxsize=64)
def _parse_content_type(content_type: str) -> tuple[str, str]:
    """Return the media type and the charset in lower case, "" if there is none."""
    media_type, *parameters = content_type.lower().split(";")
    values = dict(parameter.strip().partition("=")[::2] for parameter in parameters)
    return media_type.strip(), values.get("charset", "").strip().strip('"')
