"""Poisoned texts among others: does only the guilty one fail, and do the others get what they get alone.

The model is a real MiniLM whose tokenizer.json knows one more word, "poison", with an id beyond the trunk's
embeddings: nothing before the trunk can tell, and a batch that holds it truly fails. 1 % of the requests have it
(seed 0), the others are sentences of many lengths, on 32 connections.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_most, none_of
from benchmarks.serving.contender import free_port, post
from benchmarks.serving.load import Plan, load
from benchmarks.serving.ours import FP32, INT8, Graft
from benchmarks.serving.samples import SENTENCE, sentences
from graft.bundle.open_bundle import open_bundle
from graft.bundle.publish import publish

WORD = "poison"
TOGETHER, EVERY = 32, 100  # one request in so many is poisoned
TOLERANCE = {"fp32": 1e-5, "int8": 1e-3}


def measure(bench: Bench) -> Data:
    """Return {precision: what happened}."""
    return {server.precision: measure_poisoned(bench, server) for server in (FP32, INT8)}


def measure_poisoned(bench: Bench, server: Graft) -> Data:
    """Ask each text alone, then all of them together among poisoned ones."""
    models = poison(bench.models("text", server.precision), bench.folder / f"poisoned-{server.precision}")
    texts = [*texts_of_many_lengths(), f"This text holds {WORD} in it."]
    requests = [post("/v1/models/topics:predict?top=100", "text/plain", text.encode()) for text in texts]
    guilty = len(texts) - 1
    dice = random.Random(0)  # noqa: S311
    order = [guilty if dice.randrange(EVERY) == 0 else dice.randrange(guilty) for _ in range(bench.effort.poisonable)]
    port = free_port()
    with server.starting(models, port, requests[0]):
        alone = load(requests, Plan(port=port, connections=1, order=list(range(len(texts))), keep=True))
        solo = {answer.which: probabilities(answer.body) for answer in alone.answers if answer.status == 200}
        assert len(solo) == guilty, f"alone {len(solo)} of {guilty} innocent texts were answered"
        outcome = load(requests, Plan(port=port, connections=TOGETHER, order=order, keep=True))
    innocent = [answer for answer in outcome.answers if answer.which != guilty]
    off = [distance(solo[answer.which], probabilities(answer.body)) for answer in innocent if answer.status == 200]
    row = {
        "requests": len(order),
        "poisoned": order.count(guilty),
        "poisoned_answered": sum(answer.status == 200 for answer in outcome.answers if answer.which == guilty),
        "poisoned_statuses": sorted({answer.status for answer in outcome.answers if answer.which == guilty}),
        "innocent_failures": sum(answer.status != 200 for answer in innocent),
        "innocent_statuses": sorted({answer.status for answer in innocent}),  # 0: the server hung up
        "off_most": max(off),
        "tolerance": TOLERANCE[server.precision],
        "rate": outcome.rate,
        "p99_ms": outcome.percentile(0.99) * 1e3,
    }
    print(f"  {server.precision}  " + "  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    return row


def poison(models: Path, target: Path) -> Path:
    """Publish the repository's `topics` into `target`, its tokenizer with one word more than the trunk knows."""
    bundle = open_bundle(models / "topics" / "1")
    tokenizer = json.loads(bundle.layout.tokenizer.read_bytes())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary[WORD] = max(vocabulary.values()) + 1
    changed = json.dumps(tokenizer).encode()
    spec = {**bundle.manifest.input, "tokenizer_sha256": hashlib.sha256(changed).hexdigest()}
    manifest = dataclasses.replace(bundle.manifest, input=spec)
    publish(
        target,
        manifest,
        trunk=bundle.layout.trunk,
        head=bundle.layout.head.read_bytes(),
        golden=bundle.read_golden(),
        extras={"tokenizer.json": changed},
    )
    return target


def texts_of_many_lengths() -> list[str]:
    """Return 108 texts of some 8 to 120 tokens."""
    return [f"{text} {' '.join([SENTENCE] * (number % 5))}".strip() for number, (text, _) in enumerate(sentences())]


def probabilities(body: str) -> dict[str, float]:
    """Return the probability of every label."""
    return {one["label"]: one["probability"] for one in json.loads(body)["predictions"][0]["top"]}


def distance(a: dict[str, float], b: dict[str, float]) -> float:
    """Return how far two answers are apart at most."""
    return max(abs(a[label] - b[label]) for label in a) if a.keys() == b.keys() else float("inf")


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for precision, row in data.items():
        what = f"{row['poisoned']:,} poisoned of {row['requests']:,} texts, {precision}"
        lines += [
            none_of(f"{what}: innocent failures", row["innocent_failures"]),
            none_of(f"{what}: poisoned ones answered", row["poisoned_answered"]),
            at_most(f"{what}: apart from the answer alone", row["off_most"], row["tolerance"], ".1e"),
        ]
    return lines
