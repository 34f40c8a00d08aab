"""FastAPI + Keras as tutorials write it: `UploadFile`, Pillow, `model.predict`. The weights are random.

https://keras.io/api/applications/ and https://fastapi.tiangolo.com/tutorial/request-files/
"""

from __future__ import annotations

import keras
import numpy as np
from fastapi import FastAPI, UploadFile
from PIL import Image
from pydantic import BaseModel

app = FastAPI()
keras.utils.set_random_seed(0)
model = keras.applications.MobileNetV2(weights=None)


class Answer(BaseModel):
    """What is likeliest."""

    label: str
    probability: float


@app.post("/jpeg")
def jpeg(file: UploadFile) -> Answer:
    image = Image.open(file.file).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32)[None]
    scores = model.predict(keras.applications.mobilenet_v2.preprocess_input(pixels))[0]
    return Answer(label=f"class {scores.argmax()}", probability=float(scores.max()))
