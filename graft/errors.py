"""Every error that Graft raises, one tree, standard library only.

GraftError
├── MissingExtra            a part of Graft that is not installed was asked for
├── UnknownBackbone         no catalog entry has that name
├── WeightsError            pretrained weights could not be had
│   ├── Offline             they are not cached, and no network may be used
│   ├── DownloadFailed      the network or the server failed
│   └── HashMismatch        the bytes are not the promised ones
├── TrunkError              a trunk could not be built or opened
│   ├── DeviceMissing       it was to run on a device that is not here
│   └── ParityError         ONNX Runtime did not repeat Keras
├── InputError              one sample cannot become arrays
│   ├── NotAnImage          no image, or a format that is refused by name
│   ├── BrokenImage         an image of a known format that does not decode
│   ├── TooManyPixels       the header promises more pixels than the cap
│   ├── NotText             no UTF-8 text, or nothing in it to read
│   └── TextTooLong         more bytes of text than the cap
├── DatasetError            a table, or a folder of samples, cannot be used
├── RecipeError             the wish itself cannot be carried out
├── TrainingFailed          a deeper run cannot go on; what was reached before is kept
├── BundleError             a bundle on disk cannot be used
│   ├── BundleBroken        its bytes are not what its manifest says
│   ├── BundleUnsupported   it asks for what this Graft cannot do exactly
│   ├── ReplayFailed        its golden samples get other answers here
│   └── PublishFailed       it could not be written; nothing was changed
└── ServiceError            what the server answers besides the above
    ├── UnknownModel        no model of that name
    ├── UnknownVersion      the model has no such version
    ├── BadRequest          the request cannot be understood
    ├── WrongContentType    no way to read a body of that type
    ├── BodyTooLarge        more bytes than the server takes
    ├── Unauthorized        no key, or a wrong one
    ├── Overloaded          too much work is waiting already
    ├── NotReady            the server has not loaded its models yet
    ├── Unreachable         raised by the client: nobody answered in time
    └── ServerFailed        a defect of the server; the details are in its log

Every message says what is wrong, where, what is allowed, and what to do next.
"""

from __future__ import annotations


class GraftError(Exception):
    """Base of every error that Graft raises on purpose."""


class MissingExtra(GraftError):
    """A part of Graft that is not installed was asked for."""


class UnknownBackbone(GraftError):
    """No catalog entry has that name."""


class WeightsError(GraftError):
    """Pretrained weights could not be had."""


class Offline(WeightsError):
    """The weights are not in the cache, and no network may be used."""


class DownloadFailed(WeightsError):
    """The network or the server failed while weights were fetched."""

    status: int | None = None  # what the server answered, where that is why


class HashMismatch(WeightsError):
    """The bytes are not the ones that were promised."""


class TrunkError(GraftError):
    """A trunk could not be built or opened."""


class DeviceMissing(TrunkError):
    """A trunk was to run on a device that is not here."""


class ParityError(TrunkError):
    """ONNX Runtime did not repeat what Keras computed."""


class InputError(GraftError):
    """One sample cannot become arrays."""


class NotAnImage(InputError):
    """The bytes are no image, or of a format that is refused by name."""


class BrokenImage(InputError):
    """An image of a known format that does not decode."""


class TooManyPixels(InputError):
    """The image's header promises more pixels than the cap allows."""


class NotText(InputError):
    """The bytes are no UTF-8 text, or there is nothing in it to read."""


class TextTooLong(InputError):
    """The text has more bytes than the cap allows."""


class DatasetError(GraftError):
    """A table, or a folder of samples, cannot be used: to train on, or to be asked about."""


class RecipeError(GraftError):
    """What was asked for cannot be carried out."""


class TrainingFailed(GraftError):
    """A deeper run cannot go on; what was reached before is kept."""


class BundleError(GraftError):
    """A bundle on disk cannot be used."""


class BundleBroken(BundleError):
    """A bundle's bytes are not what its manifest says."""


class BundleUnsupported(BundleError):
    """A bundle asks for something that this Graft cannot do exactly."""


class ReplayFailed(BundleError):
    """A bundle's golden samples get other answers here than when it was made."""


class PublishFailed(BundleError):
    """A bundle could not be written; what was there before is unchanged."""


class ServiceError(GraftError):
    """Base of what the server answers besides the errors above."""


class UnknownModel(ServiceError):
    """The server has no model of that name."""


class UnknownVersion(ServiceError):
    """The model has no such version."""


class BadRequest(ServiceError):
    """The request cannot be understood."""


class WrongContentType(ServiceError):
    """There is no way to read a body of that content type."""


class BodyTooLarge(ServiceError):
    """The request has more bytes than the server takes."""


class Unauthorized(ServiceError):
    """The request carries no API key, or a wrong one."""


class Overloaded(ServiceError):
    """Too much work is waiting already; try again a little later."""


class NotReady(ServiceError):
    """The server has not loaded its models yet."""


class Unreachable(ServiceError):
    """Raised by the client: no server answered in time."""


class ServerFailed(ServiceError):
    """A defect of the server; the details are in its log."""
