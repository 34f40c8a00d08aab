"""Triton's own client against a server process: what it sends is read, what it gets it can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.support.service.infer_requests import IDS, IMAGES
from tests.support.service.server_process import Running, running
from tests.support.wait import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    from tests.support.fakes import tiny_bundle
    from tests.support.text_fakes import tiny_text_bundle

    models: Path = tmp_path_factory.mktemp("triton") / "models"
    tiny_bundle(models)
    tiny_text_bundle(models)
    with running(models) as process:
        until(lambda: httpx2.get(f"{process.url}/v2/health/ready").status_code == 200)
        yield process


@pytest.fixture
def client(server: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def given(arrays: dict[str, NDArray[Any]], *, binary: bool) -> list[triton.InferInput]:
    inputs = []
    for name, array in arrays.items():
        one = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        inputs.append(one.set_data_from_numpy(array, binary_data=binary))
    return inputs


@pytest.mark.parametrize(("model", "arrays"), [("tiny", {"image": IMAGES}), ("topics", IDS)], ids=["images", "text"])
def test_triton_client_json_and_binary_are_identical(
    client: triton.InferenceServerClient, model: str, arrays: dict[str, NDArray[Any]]
) -> None:
    answers = []
    for sent, got in ((True, True), (True, False), (False, True), (False, False)):
        wanted = [triton.InferRequestedOutput(name, binary_data=got) for name in ("scores", "features")]
        answer = client.infer(model, given(arrays, binary=sent), request_id="7", outputs=wanted)
        assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("7", "1")
        answers.append((answer.as_numpy("scores"), answer.as_numpy("features")))
    all_of_it = client.infer(model, given(arrays, binary=True), model_version="1")
    answers.append((all_of_it.as_numpy("scores"), all_of_it.as_numpy("features")))
    assert {(scores.dtype.name, scores.shape) for scores, _ in answers} == {("float32", (2, 3))}
    assert len({(scores.tobytes(), features.tobytes()) for scores, features in answers}) == 1


def test_triton_client_reads_errors(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"'FP32'; the model takes UINT8 \[-1, 8, 8, 3\]") as raised:
        client.infer("tiny", given({"image": IMAGES.astype(np.float32)}, binary=True))
    assert raised.value.status() == "400"
    with pytest.raises(InferenceServerException, match="nobody") as raised:
        client.infer("nobody", given({"image": IMAGES}, binary=True))
    assert raised.value.status() == "404"
    with pytest.raises(InferenceServerException, match="uncompressed"):
        client.infer("tiny", given({"image": IMAGES}, binary=True), request_compression_algorithm="gzip")


def test_triton_client_accepts_a_compressed_response(client: triton.InferenceServerClient) -> None:
    answer = client.infer("tiny", given({"image": IMAGES}, binary=True), response_compression_algorithm="gzip")
    assert answer.as_numpy("scores").shape == (2, 3)
