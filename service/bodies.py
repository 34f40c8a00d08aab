"""A request's body -> the samples in it: a bare image, multipart, or TensorFlow Serving's JSON."""

from __future__ import annotations

from typing import Final, Literal

from service.instances import samples_in
from service.model import Sample
from service.multipart import files_in
from zoo.errors import BadRequest, WrongContentType

Form = Literal["image", "multipart", "instances", "inputs"]
_FORM: Final = "application/x-www-form-urlencoded"  # what curl says where it is not told better


def is_bare_image(content_type: str) -> bool:
    """Tell whether the whole body is one image file, which needs no parsing."""
    kind = _kind(content_type)
    return kind in ("", "application/octet-stream") or kind.startswith("image/")


def read_body(content_type: str, body: bytes, input_name: str, max_images: int) -> tuple[Form, list[Sample]]:
    """Return the samples in a body, in their order, and the form they came in.

    Raises:
        WrongContentType: there is no way to read that content type.
        BadRequest: the body is empty or malformed.
    """
    kind = _kind(content_type)
    if not body:
        raise BadRequest("the body is empty. Send an image file, such as curl -F image=@photo.jpg.")
    if is_bare_image(content_type):
        return "image", [body]
    if kind == "multipart/form-data":
        return "multipart", [*files_in(content_type, body, max_images)]
    if kind in ("application/json", "text/json") or (kind == _FORM and body.lstrip()[:1] == b"{"):
        key, samples = samples_in(body, input_name, max_images)
        return key, samples
    raise WrongContentType(
        f"a body of type {kind!r} cannot be read. Allowed are image/*, application/octet-stream, multipart/form-data "
        "and application/json; with curl use -F image=@photo.jpg."
    )


def check_encoding(encoding: str) -> None:
    """Refuse compressed bodies: a few bytes could become very many.

    Raises:
        WrongContentType: the body is compressed.
    """
    if encoding.strip().lower() not in ("", "identity"):
        raise WrongContentType(f"a body in the encoding {encoding!r} is not taken. Send it uncompressed.")


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
