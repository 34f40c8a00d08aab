"""Byte-level BPE (byte pair encoding) of GPT-2, RoBERTa and BART as a tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from graft.errors import TrunkError
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles


def build_byte_level_bpe(files: PresetTokenizerFiles, *, exclude: Sequence[str] = ()) -> Tokenizer:
    """Return GPT-2's byte-level BPE with RoBERTa's special tokens: every byte has a token, so nothing is unknown.

    `exclude` names tokens to drop where they are the last of the vocabulary.

    Source: Radford et al., 2019, https://github.com/openai/gpt-2 (encoder.py); Liu et al., 2019, arXiv:1907.11692.
    """
    lines = files.file_text("merges.txt").replace("\r\n", "\n").split("\n")
    merges = [
        (left, right) for left, _, right in (line.partition(" ") for line in lines) if right and left != "#version:"
    ]
    try:
        vocabulary = {str(token): int(id_) for token, id_ in json.loads(files.file_text("vocabulary.json")).items()}
        for token in exclude:
            if vocabulary.get(token) == len(vocabulary) - 1:
                del vocabulary[token]
        tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    except Exception as fault:  # the library's errors have no other common base
        raise TrunkError(
            f"vocabulary.json and merges.txt do not fit together ({fault}). Download them again."
        ) from None
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names if name in vocabulary])
    return tokenizer


def build_bart(files: PresetTokenizerFiles) -> Tokenizer:
    """Return RoBERTa's tokenizer without its last token, <mask>: no text contains it, and some BARTs lack its row.

    Source: Lewis et al., 2019, https://github.com/facebookresearch/fairseq (examples/bart).
    """
    return build_byte_level_bpe(files, exclude=("<mask>",))
