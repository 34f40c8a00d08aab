"""Samples and tokens per request: a request with more is refused with 400, whatever format it came in."""

from __future__ import annotations

from graft.errors import BadRequest
from service.models.model import Model
from service.settings import Settings


def max_samples(settings: Settings, model: Model) -> int:
    """Return how many samples one request to `model` may have."""
    return settings.max_images if model.input_kind.noun == "image" else settings.max_texts


def check_sample_count(count: int, limit: int, where: str, noun: str = "samples") -> None:
    """Check the number of samples in one request.

    `where` they were counted, such as "'instances'", and the `noun` for them stand in the message.

    Raises:
        BadRequest: there are more than `limit`.
    """
    if count > limit:
        raise BadRequest(f"{where} has {count:,} {noun}; at most {limit:,} are allowed. Send several requests.")


def check_token_count(count: int, limit: int) -> None:
    """Check the number of tokens in one request.

    Raises:
        BadRequest: there are more than `limit`.
    """
    if count > limit:
        raise BadRequest(f"the request has {count:,} tokens; at most {limit:,} are allowed. Send several requests.")
