"""FastAPI + Keras by hand: one compiled `tf.function`, one TensorFlow thread a run, raw bodies, a thread a core."""

from __future__ import annotations

import asyncio
import io
import os
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import orjson
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, Request, Response
from PIL import Image

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["THREADS"]))
tf.config.threading.set_inter_op_parallelism_threads(int(os.environ["WORKERS"]))
app = FastAPI(openapi_url=None)
keras.utils.set_random_seed(0)
model = keras.applications.MobileNetV2(weights=None)
pool = ThreadPoolExecutor(int(os.environ["WORKERS"]))


@tf.function(input_signature=[tf.TensorSpec([1, 224, 224, 3], tf.uint8)])
def scores_of(pixels: tf.Tensor) -> tf.Tensor:
    """Return float32 [1,1000]."""
    return model(tf.cast(pixels, tf.float32) / 127.5 - 1.0, training=False)


def answer(body: bytes) -> bytes:
    """Answer one request."""
    image = Image.open(io.BytesIO(body)).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    scores = scores_of(np.asarray(image)[None]).numpy()[0]
    return orjson.dumps({"label": f"class {scores.argmax()}", "probability": float(scores.max())})


@app.post("/jpeg")
async def jpeg(request: Request) -> Response:
    body = await request.body()
    found = await asyncio.get_running_loop().run_in_executor(pool, answer, body)
    return Response(found, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), loop="uvloop", access_log=False, log_level="warning")
