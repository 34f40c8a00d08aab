"""Features of 256 pictures in memory, 224x224: our trunks against Keras' own predict, alternated in one run.

    python -m benchmarks.extraction

Ours: one picture a run, one thread a run, as many runs at a time as there are cores (as `finetune` does it).
Keras: `model.predict` at batch 32 with its default threads.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import alternated
from graft.runtime.cpu_threads import available_cores
from zoo import Precision, get_backbone
from zoo.sample_inputs import random_photo_crops
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

COUNT = 256


def main() -> None:
    logging.disable()
    from zoo.convert.networks import build_trunk_network

    backbone = get_backbone("efficientnet_lite0")
    pictures: NDArray[np.uint8] = random_photo_crops(COUNT, 224, seed=3)
    keras_model = build_trunk_network(backbone, weights_cache.fetch_weights(backbone))
    trunks = {precision: Trunk.from_backbone(backbone, precision) for precision in Precision}
    with ThreadPoolExecutor(available_cores()) as pool:

        def extract(trunk: Trunk) -> None:
            for _ in pool.map(lambda row: trunk({"image": pictures[row : row + 1]}), range(COUNT)):
                pass

        durations = alternated(
            {
                "Keras predict, batch 32": lambda: keras_model.predict(pictures, batch_size=32, verbose=0),
                "Graft fp32 trunk": lambda: extract(trunks[Precision.FP32]),
                "Graft int8 trunk": lambda: extract(trunks[Precision.INT8]),
            },
            rounds=5,
        )
    keras, fp32, int8 = durations.values()
    print(f"{backbone.name}, {COUNT} pictures, {available_cores()} cores, median of 5")
    for name, seconds in durations.items():
        print(f"{name:26} {seconds / COUNT * 1e3:6.2f} ms a picture")
    print(f"int8 is {fp32 / int8:.2f} x fp32 and {keras / int8:.2f} x Keras; fp32 is {keras / fp32:.2f} x Keras")


if __name__ == "__main__":
    main()
