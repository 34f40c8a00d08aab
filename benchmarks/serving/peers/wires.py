"""Requests as the peers take them: a sample -> one whole HTTP/1.1 request."""

from __future__ import annotations

import base64
import json

import numpy as np

from benchmarks.serving.contender import post
from benchmarks.serving.peers.peer import Wire

SHAPE = (1, 224, 224, 3)
BOUNDARY = "peer-boundary"


def raw(path: str, content_type: str = "application/octet-stream") -> Wire:
    """Send the sample as the body."""
    return lambda sample: post(path, content_type, sample)


def multipart(path: str, field: str) -> Wire:
    """Send a form with one file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    tail = f"\r\n--{BOUNDARY}--\r\n"
    return lambda sample: post(
        path, f"multipart/form-data; boundary={BOUNDARY}", head.encode() + sample + tail.encode()
    )


def msgpack(path: str, key: str) -> Wire:
    """Send a map of one key, whose value is the sample."""
    head = bytes([0x81, 0xA0 | len(key)]) + key.encode() + b"\xc6"  # fixmap 1, fixstr, bin 32
    return lambda sample: post(path, "application/msgpack", head + len(sample).to_bytes(4, "big") + sample)


def nested(path: str, key: str) -> Wire:
    """Send JSON: the tensor as nested lists."""
    return lambda sample: as_json(path, {key: np.frombuffer(sample, np.uint8).reshape(SHAPE).tolist()})


def flat(path: str, key: str) -> Wire:
    """Send JSON: the tensor as one flat list."""
    return lambda sample: as_json(path, {key: list(sample)})


def text(path: str, key: str) -> Wire:
    """Send JSON: a text."""
    return lambda sample: as_json(path, {key: sample.decode()})


def in_base64(path: str, key: str) -> Wire:
    """Send JSON: the sample in base64."""
    return lambda sample: as_json(path, {key: base64.b64encode(sample).decode()})


def as_json(path: str, body: object) -> bytes:
    """Send a JSON body, without needless spaces."""
    return post(path, "application/json", json.dumps(body, separators=(",", ":")).encode())


def oip_tensor(path: str, name: str) -> Wire:
    """Speak the Open Inference Protocol in JSON: a flat list of a tensor."""
    return lambda sample: as_json(
        path, {"inputs": [{"name": name, "shape": SHAPE, "datatype": "UINT8", "data": list(sample)}]}
    )


def oip_bytes(path: str, name: str) -> Wire:
    """Speak the Open Inference Protocol in JSON: one element of bytes, in base64."""

    def request(sample: bytes) -> bytes:
        data = [base64.b64encode(sample).decode()]
        parameters = {"content_type": "base64"}
        return as_json(
            path,
            {"inputs": [{"name": name, "shape": [1, 1], "datatype": "BYTES", "data": data, "parameters": parameters}]},
        )

    return request


def oip_binary(path: str, name: str, datatype: str, shape: tuple[int, ...]) -> Wire:
    """Speak the Open Inference Protocol's binary form: a JSON head, then the bytes; the answer in JSON."""

    def request(sample: bytes) -> bytes:
        data = len(sample).to_bytes(4, "little") + sample if datatype == "BYTES" else sample
        parameters = {"binary_data_size": len(data)}
        head = json.dumps(
            {"inputs": [{"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}]}
        ).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        return post(path, "application/octet-stream", head + data, headers)

    return request
