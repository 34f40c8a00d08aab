"""Every error that Graft raises on purpose, as one tree. Standard library only.

GraftError
├── MissingExtra            a feature needs packages that are not installed
├── UnknownBackbone         the catalog has no backbone of that name
├── WeightsError            pretrained weights could not be fetched or verified
│   ├── Offline             they are not cached, and network access is off
│   ├── DownloadFailed      the network or the server failed
│   └── HashMismatch        the bytes do not have the expected SHA-256
├── TrunkError              a trunk could not be built or opened
│   ├── DeviceMissing       the requested device is not available
│   └── ParityError         ONNX Runtime and Keras disagree
├── InputError              a sample cannot be decoded
│   ├── NotAnImage          not an image, or an image format that is not supported
│   ├── BrokenImage         an image of a supported format that is corrupt
│   ├── TooManyPixels       the header declares more pixels than the limit
│   ├── NotText             not UTF-8, or an empty text
│   └── TextTooLong         the text has more bytes than the limit
├── DatasetError            a table or a folder of samples cannot be used
├── RecipeError             the options are invalid, or do not fit the data or backbone
├── TrainingFailed          deeper training cannot continue; its checkpoint is kept
├── BundleError             a bundle on disk cannot be used
│   ├── BundleBroken        its files do not match the checksums of its manifest
│   ├── BundleUnsupported   it needs something that this version of Graft does not support
│   ├── ReplayFailed        its golden samples get other answers than those on record
│   └── PublishFailed       it could not be written; nothing was changed
└── ServiceError            further errors of the server and its client
    ├── UnknownModel        the server has no model of that name
    ├── UnknownVersion      the model has no such version
    ├── BadRequest          the request cannot be understood
    ├── WrongContentType    the Content-Type of the body is not supported
    ├── BodyTooLarge        the body has more bytes than the limit
    ├── Unauthorized        the API key is missing or wrong
    ├── Overloaded          the queue is full
    ├── NotReady            the server has not loaded its models yet
    ├── Unreachable         raised by the client: no server answered in time
    └── ServerFailed        an internal error of the server; see its log

Every message says what is wrong, where, what is allowed, and what to do next.
"""

from __future__ import annotations


class GraftError(Exception):
    """Base of every error that Graft raises on purpose."""


class MissingExtra(GraftError):
    """A feature needs packages that are not installed; the message names the extra."""


class UnknownBackbone(GraftError):
    """The catalog has no backbone of that name."""


class WeightsError(GraftError):
    """Pretrained weights could not be fetched or verified."""


class Offline(WeightsError):
    """The weights are not in the cache, and network access is off."""


class DownloadFailed(WeightsError):
    """The network or the server failed during a download."""

    status: int | None = None  # the HTTP status, if that is the reason


class HashMismatch(WeightsError):
    """The bytes do not have the expected SHA-256."""


class TrunkError(GraftError):
    """A trunk could not be built or opened."""


class DeviceMissing(TrunkError):
    """The requested device, such as CUDA, is not available."""


class ParityError(TrunkError):
    """ONNX Runtime and Keras compute different features or scores."""


class InputError(GraftError):
    """A sample cannot be decoded into arrays."""


class NotAnImage(InputError):
    """The bytes are not an image, or an image in a format that is not supported."""


class BrokenImage(InputError):
    """An image of a supported format that is truncated or corrupt."""


class TooManyPixels(InputError):
    """The image's header declares more pixels than the limit."""


class NotText(InputError):
    """The bytes are not UTF-8, or the text is empty."""


class TextTooLong(InputError):
    """The text has more bytes than the limit."""


class DatasetError(GraftError):
    """A table or a folder of samples cannot be used, for training or for predictions."""


class RecipeError(GraftError):
    """The options are invalid, or do not fit the data or the backbone."""


class TrainingFailed(GraftError):
    """Training deeper than the head cannot continue; its last checkpoint is kept."""


class BundleError(GraftError):
    """A bundle on disk cannot be used."""


class BundleBroken(BundleError):
    """A bundle's files do not match the checksums of its manifest."""


class BundleUnsupported(BundleError):
    """A bundle needs something that this version of Graft does not support exactly."""


class ReplayFailed(BundleError):
    """A bundle's golden samples get other answers than those on record."""


class PublishFailed(BundleError):
    """A bundle could not be written; what was there before is unchanged."""


class ServiceError(GraftError):
    """Base of the further errors of the server and its client."""


class UnknownModel(ServiceError):
    """The server has no model of that name."""


class UnknownVersion(ServiceError):
    """The model has no such version."""


class BadRequest(ServiceError):
    """The request cannot be understood."""


class WrongContentType(ServiceError):
    """The Content-Type of the request body is not supported."""


class BodyTooLarge(ServiceError):
    """The request body has more bytes than the limit (HTTP 413)."""


class Unauthorized(ServiceError):
    """The API key is missing or wrong (HTTP 401)."""


class Overloaded(ServiceError):
    """The queue is full; retry later (HTTP 429)."""


class NotReady(ServiceError):
    """The server has not loaded its models yet."""


class Unreachable(ServiceError):
    """Raised by the client: no server answered in time."""


class ServerFailed(ServiceError):
    """An internal error of the server; the details are in its log."""
