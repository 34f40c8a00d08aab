"""A reference tokenizer that no package on the test machine has, in its author's own terms."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise

import regex

from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles


def gpt2_encoder(asset: PresetTokenizerFiles) -> Callable[[str], list[int]]:
    """OpenAI's encoder.py, shortened."""
    vocabulary = json.loads(asset.files["vocabulary.json"])
    ranks = {tuple(line.split()): n for n, line in enumerate(asset.file_text("merges.txt").split("\n")[1:-1])}
    words = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + n) for n, byte in enumerate(sorted(set(range(256)) - set(printable)))}

    def merged(parts: list[str]) -> list[str]:
        while len(parts) > 1:
            pair = min(pairwise(parts), key=lambda pair: ranks.get(pair, math.inf))
            if pair not in ranks:
                break
            place, joined = 0, []
            while place < len(parts):
                hit = tuple(parts[place : place + 2]) == pair
                joined.append("".join(pair) if hit else parts[place])
                place += 1 + hit
            parts = joined
        return parts

    return lambda text: [
        vocabulary[part] for word in words.findall(text) for part in merged([letters[byte] for byte in word.encode()])
    ]
