"""Tiny real tokenizer models, trained by the reference libraries and laid out as KerasHub presets have them."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from functools import cache

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from graft.inputs.text import TextInput
from zoo.convert.tokenizer_json.families import TokenizerSpec, tokenizer_from_files
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles

TEXTS = (
    "The quick brown fox, 1,234 dogs and a (lazy) cat — it's £5.50 or €6.",
    "Der schnelle braune Fuchs über die Straße; déjà vu, naïve café, Ærø, İstanbul.",
    "Привет, мир! Как дела сегодня?  Γειά σου Κόσμε, τι κάνεις σήμερα;",
    "漢字かな交じり文のテスト。今天天气很好。안녕하세요 세계, 반갑습니다!",
    "नमस्ते दुनिया। مرحبا بالعالم שלום עולם สวัสดีชาวโลก Xin chào thế giới",
    "shares rose 12.5 pct to 1,234,567 dlrs, said the company's chairman U.S. oil",
)
# Where characters are taken from: plain ASCII often, then scripts, marks, spaces, controls, emoji, private use.
BLOCKS = (
    *((0x20, 0x7E),) * 8,
    *((0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F)),
    *((0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x218F), (0x2460, 0x24FF)),
    *((0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xACFF), (0xE000, 0xE010), (0xF900, 0xFAFF), (0xFE00, 0xFFFF)),
    *((0, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF), (0x20000, 0x20010)),
)


def fuzz_texts(count: int, seed: int = 7) -> Iterator[str]:
    """Strings of many scripts, of real words and of very long ones; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    words = [word for text in TEXTS for word in text.split()]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 10)):
            low, high = rng.choice(BLOCKS)
            odd = "".join(chr(rng.randint(low, high)) for _ in range(rng.choice((1, 2, 3, 5))))
            parts.append(
                rng.choice((rng.choice(words), odd, rng.choice(words) + odd, odd[0] * rng.choice((9, 99, 999))))
            )
            parts.append(rng.choice(("", " ", " ", "  ", "\t", "\n")))
        yield "".join(parts)


@cache
def train_wordpiece(lowercase: bool = True) -> PresetTokenizerFiles:
    """A vocabulary.txt of the pieces of TEXTS; accents are among its letters."""
    trainer = trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False
    )
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator([text.lower() if lowercase else text for text in TEXTS * 3], trainer)
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    return PresetTokenizerFiles({"vocabulary.txt": "\n".join([*words, ""]).encode()}, {"lowercase": lowercase})


@cache
def train_byte_level_bpe() -> PresetTokenizerFiles:
    """RoBERTa's two files."""
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=names,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in model["merges"]), ""])
    return PresetTokenizerFiles(
        {"vocabulary.json": json.dumps(model["vocab"]).encode(), "merges.txt": merges.encode()}, {}
    )


SENTENCEPIECE_LAYOUTS = {  # as each family's own model was trained
    "AlbertTokenizer": {
        "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1,
        "control_symbols": "[CLS],[SEP],[MASK]", "user_defined_symbols": ["(", ")", '"', "-", ".", "–", "£", "€"],
    },
    "DebertaV3Tokenizer": {
        "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3,
        "pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]",
    },
    "FNetTokenizer": {
        "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP],[MASK]",
    },
    "T5Tokenizer": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "XLMRobertaTokenizer": {"unk_id": 0, "bos_id": 1, "eos_id": 2},
}  # fmt: skip


@cache
def train_family_sentencepiece(kind: str) -> PresetTokenizerFiles:
    """A vocabulary.spm with the special pieces where `kind` has them."""
    return PresetTokenizerFiles({"vocabulary.spm": train_sentencepiece(**SENTENCEPIECE_LAYOUTS[kind])}, {})


def train_sentencepiece(**options: object) -> bytes:
    """A SentencePiece model of TEXTS."""
    out = io.BytesIO()
    defaults = {"model_type": "unigram", "vocab_size": 300, "character_coverage": 0.995, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3), model_writer=out, **{**defaults, **options, "hard_vocab_limit": False}
    )
    return out.getvalue()


BYTE_LEVEL_BPE_FAMILIES = ("BartTokenizer", "RobertaTokenizer")


def tiny_tokenizer_files(kind: str) -> PresetTokenizerFiles:
    """The tiny files of any family."""
    if kind in SENTENCEPIECE_LAYOUTS:
        return train_family_sentencepiece(kind)
    return train_byte_level_bpe() if kind in BYTE_LEVEL_BPE_FAMILIES else train_wordpiece()


def text_input_from_spec(spec: TokenizerSpec, max_tokens: int = 512, texts: int = 1) -> TextInput:
    """What a bundle would run."""
    return TextInput(
        tokenizer_json=spec.tokenizer_json,
        special=spec.special,
        arrays=spec.arrays,
        max_tokens=max_tokens,
        texts=texts,
    )


def tiny_input_for(kind: str, **options: int) -> TextInput:
    """The tiny input of any family."""
    return text_input_from_spec(tokenizer_from_files(kind, tiny_tokenizer_files(kind)), **options)


def ids_without_special_tokens(model: TextInput, text: str) -> list[int]:
    """The ids of a text without the frame; of a blank text too."""
    return model._encode((text,))[len(model.special.prefix) : -1]
