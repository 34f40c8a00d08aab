"""FastAPI + ONNX Runtime as FastAPI's documentation writes it: `UploadFile`, pydantic models, plain `def`.

https://fastapi.tiangolo.com/tutorial/request-files/ and /tutorial/body/, started by uvicorn with its defaults.
"""

from __future__ import annotations

import numpy as np
import onnx_model
from fastapi import FastAPI, Request, UploadFile
from pydantic import BaseModel

app = FastAPI()
model = onnx_model.Classifier()
tokens = onnx_model.Tokens(model.spec) if onnx_model.WORKLOAD == "text" else None


class Tensor(BaseModel):
    """An image, uint8 [n,224,224,3], as nested lists."""

    image: list[list[list[list[int]]]]


class Text(BaseModel):
    """A text."""

    text: str


class Answer(BaseModel):
    """What is likeliest."""

    label: str
    probability: float


@app.post("/jpeg")
def jpeg(file: UploadFile) -> Answer:
    return Answer(**model.images_of(onnx_model.decode(file.file)[None])[0])


@app.post("/json_tensor")
def json_tensor(tensor: Tensor) -> Answer:
    return Answer(**model.images_of(np.array(tensor.image, np.uint8))[0])


@app.post("/binary_tensor")
async def binary_tensor(request: Request) -> Answer:
    pixels = np.frombuffer(await request.body(), np.uint8).reshape(-1, 224, 224, 3)
    return Answer(**model.images_of(pixels)[0])


@app.post("/text")
def text(body: Text) -> Answer:
    return Answer(**model.answers(tokens([body.text]))[0])
