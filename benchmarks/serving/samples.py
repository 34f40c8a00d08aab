"""What is sent: a real photo, its pixels, a sentence; and the models that it is sent to, fine-tuned here."""

from __future__ import annotations

import csv
import io
import itertools
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.crops import make_crops
from benchmarks.serving.contender import Workload

# 23 tokens, [CLS] and [SEP] included
SENTENCE = (
    "The central bank raised its interest rate by a quarter point, and markets fell just as analysts had expected."
)
SIZE = (640, 480)


@cache
def photo(number: int = 0) -> bytes:
    """Return a JPEG of 640x480, quality 85, of scikit-learn's china.jpg; other numbers cut other parts of it."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    whole = Image.fromarray(load_sample_images().images[0])
    left, top = number % 20 * 8, number // 20 * 8
    file = io.BytesIO()
    whole.resize(SIZE, box=(left, top, whole.width - 152 + left if number else whole.width, whole.height)).save(
        file, "JPEG", quality=85
    )
    return file.getvalue()


@cache
def sample(workload: Workload) -> bytes:
    """Return what is sent for a workload."""
    if workload == "text":
        return SENTENCE.encode()
    if workload == "jpeg":
        return photo()
    from graft.inputs.image import ImageInput

    return ImageInput(224)(photo()).tobytes()


TOPICS = {
    "money": (("The bank", "The market", "The company"), ("raised its rates", "reported a profit", "sold its shares")),
    "sport": (("The team", "The striker", "The coach"), ("won the final", "scored twice", "lost the match")),
    "weather": (("The storm", "The rain", "The wind"), ("reached the coast", "will end tonight", "grew stronger")),
}
ENDS = ("today.", "this week, as expected.", "after a long night in the north of the country.", "again.")


def sentences() -> list[tuple[str, str]]:
    """Return 108 sentences of three topics, with their topic."""
    return [
        (f"{who} {what} {end}", topic)
        for topic, (whos, whats) in TOPICS.items()
        for who, what, end in itertools.product(whos, whats, ENDS)
    ]


def make_photos(models: Path, precision: str, seed: int = 0) -> Path:
    """Fine-tune `photos` on 311 crops into the repository `models`, and return that."""
    data = models.parent / "crops"
    if not data.is_dir():
        make_crops(data)
    return finetune(data, models, "photos", precision, seed)


def make_topics(models: Path, precision: str) -> Path:
    """Fine-tune `topics` on a table of sentences into the repository `models`, and return that."""
    data = models.parent / "topics.csv"
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "topic"), *sentences()])
    return finetune(data, models, "topics", precision, 0)


def finetune(data: Path, models: Path, name: str, precision: str, seed: int) -> Path:
    """Run the command, which fetches and builds the trunk first where the cache lacks it."""
    program = "from finetune.cli.main import main; main()"
    options = ["--models", models, "--name", name, "--precision", precision, "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, "-c", program, data, *options], capture_output=True, text=True, env=os.environ, check=False
    )
    if done.returncode:
        raise SystemExit(f"finetune failed:\n{done.stderr[-2000:]}")
    return models
