"""The Python client: `Client().predict("digits", "photo.jpg").label`, and `AsyncClient` for asyncio."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path
from typing import Any, Final, Self, TypeVar, overload

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.asking import URL, Asker
from service.calls import Call, Prediction, embed_calls, metadata_call, models_call, predict_calls, stacked
from service.errors import from_wire
from zoo.errors import InputError, NotAnImage

_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never through a proxy
Sample = bytes | str | Path | NDArray[np.uint8]  # a file's bytes, its path, or pixels [h,w,3] or [h,w]
S = TypeVar("S", bound=Sample)
T = TypeVar("T")


class Client(Asker):
    """Asks a Graft server. Safe to share between threads; close it, or use it in a `with`.

    Every method raises what the server raised (`UnknownModel`, `NotAnImage`, …), and `Unreachable` where
    nobody answered. What did not get through, or was refused because too much was waiting, is tried
    again up to `retries` times, all within `timeout` seconds.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx2.Client | None = None,
    ) -> None:
        """Ask the server at `url`; the key is `api_key`, else GRAFT_API_KEY. `http` carries the requests."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.Client(mounts=dict.fromkeys(_LOOPBACK))

    @overload
    def predict(self, model: str, image: Sample, *, top: int = 5, version: int | None = None) -> Prediction: ...
    @overload
    def predict(self, model: str, image: list[S], *, top: int = 5, version: int | None = None) -> list[Prediction]: ...
    def predict(
        self, model: str, image: Sample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Prediction | list[Prediction]:
        """Classify one image, or a list of them: the answers come in the same order."""
        calls = predict_calls(model, _files(image), top, version)
        answers = [one for call in calls for one in self._ask(call)]
        return answers if isinstance(image, list) else answers[0]

    def embed(self, model: str, image: Sample | list[Any], *, version: int | None = None) -> NDArray[np.float32]:
        """Return the trunk's features of one image, float32 [d], or of a list of n, float32 [n,d]."""
        answers = [self._ask(call) for call in embed_calls(model, _files(image), version)]
        return stacked(answers) if isinstance(image, list) else answers[0][0]

    def models(self) -> list[str]:
        """Return the names of the models that can be asked."""
        return self._ask(models_call())

    def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return what a model says of itself: labels, signature, metrics, backbone and more."""
        return self._ask(metadata_call(model, version))

    def _ask(self, call: Call[T]) -> T:
        attempts = self.attempts()
        while True:
            try:
                response = self._http.request(**self.request(call, attempts.left))
            except httpx2.TransportError as fault:
                pause = attempts.pause(self.unreachable(fault))
            else:
                if response.status_code == 200:
                    return call.answer(response.content)
                error = from_wire(response.status_code, response.content)
                pause = attempts.pause(error, response.headers.get("retry-after", ""))
            time.sleep(pause)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Asker):
    """`Client` for asyncio: the same methods and errors, awaited."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """Ask the server at `url`, as `Client` does."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.AsyncClient(mounts=dict.fromkeys(_LOOPBACK))

    @overload
    async def predict(self, model: str, image: Sample, *, top: int = 5, version: int | None = None) -> Prediction: ...
    @overload
    async def predict(
        self, model: str, image: list[S], *, top: int = 5, version: int | None = None
    ) -> list[Prediction]: ...
    async def predict(
        self, model: str, image: Sample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Prediction | list[Prediction]:
        """Classify one image, or a list of them: the answers come in the same order."""
        calls = predict_calls(model, await asyncio.to_thread(_files, image), top, version)
        answers = [one for call in calls for one in await self._ask(call)]
        return answers if isinstance(image, list) else answers[0]

    async def embed(self, model: str, image: Sample | list[Any], *, version: int | None = None) -> NDArray[np.float32]:
        """Return the trunk's features of one image, float32 [d], or of a list of n, float32 [n,d]."""
        files = await asyncio.to_thread(_files, image)
        answers = [await self._ask(call) for call in embed_calls(model, files, version)]
        return stacked(answers) if isinstance(image, list) else answers[0][0]

    async def models(self) -> list[str]:
        """Return the names of the models that can be asked."""
        return await self._ask(models_call())

    async def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return what a model says of itself: labels, signature, metrics, backbone and more."""
        return await self._ask(metadata_call(model, version))

    async def _ask(self, call: Call[T]) -> T:
        attempts = self.attempts()
        while True:
            try:
                async with asyncio.timeout(attempts.left):
                    response = await self._http.request(**self.request(call, attempts.left))
            except (httpx2.TransportError, TimeoutError) as fault:
                pause = attempts.pause(self.unreachable(fault))
            else:
                if response.status_code == 200:
                    return call.answer(response.content)
                error = from_wire(response.status_code, response.content)
                pause = attempts.pause(error, response.headers.get("retry-after", ""))
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _files(image: Sample | list[Any]) -> list[bytes]:
    """Return the image files of one sample or of a list of them."""
    return [_file(one) for one in (image if isinstance(image, list) else [image])]


def _file(sample: Sample) -> bytes:
    """Return a sample as the bytes of an image file; pixels are packed as PNG, which loses nothing.

    Raises:
        InputError: the file cannot be read.
        NotAnImage: an array of another dtype or shape.
    """
    if isinstance(sample, bytes):
        return sample
    if isinstance(sample, str | Path):
        try:
            return Path(sample).read_bytes()
        except OSError as fault:
            raise InputError(f"{sample} cannot be read ({fault.strerror}). Check the path.") from None
    array = np.asarray(sample)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise NotAnImage(
            f"an array of {array.dtype} {list(array.shape)} is no image. Allowed are uint8 [h,w,3] (RGB) and [h,w] "
            "(grey); give several as a list."
        )
    packed = io.BytesIO()
    Image.fromarray(array).save(packed, "PNG", compress_level=1)
    return packed.getvalue()
