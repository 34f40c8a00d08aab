"""A tiny real tokenizer, text trunk, head and bundle of any task, made in milliseconds without TensorFlow."""

from __future__ import annotations

import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from graft.bundle.open_bundle import Bundle
from graft.bundle.signature import Signature, TensorSpec
from graft.inputs.text import SpecialTokens, TextInput
from graft.inputs.text_bytes import encode_text_sample
from graft.storage.atomic_file import file_sha256, write_atomic
from tests.support.fakes import WIDTH, bundle_of, graph_bytes
from zoo.trunks.trunk import Trunk

MAX_TOKENS = 16
WORDS = ("cat", "dog", "fish", "good", "bad", "price", "rose", "fell", "the", "a")
TEXTS = ("the cat rose", "a bad fish", "good dog good price fell")
PAIRS = (("the cat", "a dog"), ("bad", "good fish"), ("price rose", "price fell"))


@cache
def tiny_tokenizer() -> bytes:
    """A tokenizer.json: WordPiece of ten words, letters and digits; 0 is [PAD], 2 [CLS], 3 [SEP]."""
    letters = string.ascii_lowercase + string.digits
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *(f"##{letter}" for letter in letters), *",.!?[]"]
    vocabulary = {piece: id_ for id_, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return tokenizer.to_str().encode()


def tiny_text_input(texts: Literal[1, 2] = 1, max_tokens: int = MAX_TOKENS) -> TextInput:
    """What runs the tiny tokenizer."""
    return TextInput(
        tokenizer_json=tiny_tokenizer(), special=SpecialTokens(2, 3, 0), max_tokens=max_tokens, texts=texts
    )


def tiny_text_signature() -> Signature:
    """int32 [n,t] twice -> float32 [n,6]."""
    inputs = tuple(TensorSpec(name, "int32", (-1, -1)) for name in ("token_ids", "padding_mask"))
    return Signature(inputs, (TensorSpec("features", "float32", (-1, WIDTH)),))


def tiny_text_trunk_bytes(seed: int = 0) -> bytes:
    """An ONNX graph, token_ids and padding_mask int32 [n,t] -> float32 [n,6]: the mean of the tokens' random rows."""
    size = Tokenizer.from_str(tiny_tokenizer().decode()).get_vocab_size()
    rows = np.random.default_rng(seed).normal(size=(size, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["rows", "token_ids"], ["each"]),
        helper.make_node("Cast", ["padding_mask"], ["counts"], to=T.FLOAT),
        helper.make_node("Unsqueeze", ["counts", "last"], ["weights"]),
        helper.make_node("Mul", ["each", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "tokens"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["weights", "tokens"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_text_trunk",
        [helper.make_tensor_value_info(name, T.INT32, ["n", "t"]) for name in ("token_ids", "padding_mask")],
        [helper.make_tensor_value_info("features", T.FLOAT, ["n", WIDTH])],
        [
            numpy_helper.from_array(rows, "rows"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "tokens"),
        ],
    )
    return graph_bytes(graph)


def tiny_text_trunk(folder: Path, texts: Literal[1, 2] = 1, seed: int = 0) -> Trunk:
    """The tiny text trunk as a `Trunk`, its file in `folder`."""
    path = folder / f"tiny-text-{seed}.onnx"
    write_atomic(path, tiny_text_trunk_bytes(seed))
    facts = {"backbone": "tiny.words"}
    return Trunk(path, file_sha256(path), tiny_text_signature(), tiny_text_input(texts), facts)


def tiny_text_bundle(
    models: Path,
    name: str = "topics",
    *,
    task: str = "classify",
    labels: Sequence[str] | None = None,
    texts: Literal[1, 2] = 1,
    seed: int = 0,
    trunk_seed: int = 0,
) -> Bundle:
    """Publish a tiny text bundle as the next version of `name` under `models`; it carries its tokenizer.json."""
    samples = (
        [encode_text_sample(text) for text in TEXTS] if texts == 1 else [encode_text_sample(*pair) for pair in PAIRS]
    )
    trunk = tiny_text_trunk(models.parent / "tiny-trunks", texts, trunk_seed)
    return bundle_of(
        models, name, trunk, samples, task=task, labels=labels, seed=seed, extras={"tokenizer.json": tiny_tokenizer()}
    )
