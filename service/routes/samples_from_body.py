"""A request's body -> the samples in it: one bare sample, multipart, or TensorFlow Serving's JSON."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from graft.errors import BadRequest, WrongContentType
from service.models.input_kinds import GENERIC_CONTENT_TYPES, InputKind, WireSample
from service.routes.multipart import parse_multipart
from service.routes.tf_serving import parse_json_samples

BodyForm = Literal["bare", "multipart", "instances", "inputs"]
_FORM_URLENCODED: Final = "application/x-www-form-urlencoded"  # what curl says where it is not told better


def is_bare_sample(content_type: str) -> bool:
    """Tell whether the whole body is one sample, which needs no parsing."""
    kind, _ = _parse_content_type(content_type)
    return kind in GENERIC_CONTENT_TYPES or kind.startswith(("image/", "text/plain"))


def parse_body(
    content_type: str, body: bytes, input_kind: InputKind, max_samples: int
) -> tuple[BodyForm, list[WireSample]]:
    """Return the samples in a body, in their order, and the form they came in.

    Raises:
        WrongContentType: there is no way to read that content type.
        BadRequest: the body is empty or malformed.
        NotText: a text in it holds a lone surrogate.
    """
    kind, charset = _parse_content_type(content_type)
    if kind == "multipart/form-data":
        return "multipart", [*parse_multipart(content_type, body, max_samples)]
    if is_json_body(content_type, body):
        return parse_json_samples(body, input_kind, max_samples)
    input_kind.check_body(kind, charset, body)
    return "bare", [body]


def is_json_body(content_type: str, body: bytes) -> bool:
    """Tell whether a body is JSON; curl's default type is believed to be if it begins like it."""
    kind, _ = _parse_content_type(content_type)
    return kind in ("application/json", "text/json") or (kind == _FORM_URLENCODED and body.lstrip()[:1] == b"{")


def require_json(content_type: str, body: bytes) -> None:
    """Pass if a body is JSON.

    Raises:
        WrongContentType: it is something else.
        BadRequest: it is empty.
    """
    if not body:
        raise BadRequest("the body is empty. Send JSON.")
    if not is_json_body(content_type, body):
        raise WrongContentType(
            f"a body of type {_parse_content_type(content_type)[0]!r} cannot be read here. Send application/json."
        )


def check_content_encoding(encoding: str) -> None:
    """Refuse compressed bodies: a few bytes could become very many.

    Raises:
        WrongContentType: the body is compressed.
    """
    if encoding.strip().lower() not in ("", "identity"):
        raise WrongContentType(f"a body in the encoding {encoding!r} is not taken. Send it uncompressed.")


@lru_cache(maxsize=64)
def _parse_content_type(content_type: str) -> tuple[str, str]:
    """Return the media type and the charset, in lower case; "" where there is none."""
    kind, *parameters = content_type.lower().split(";")
    named = dict(parameter.strip().partition("=")[::2] for parameter in parameters)
    return kind.strip(), named.get("charset", "").strip().strip('"')
