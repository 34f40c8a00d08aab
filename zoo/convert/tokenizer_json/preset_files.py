"""Read the tokenizer files of a KerasHub preset; no code of the preset is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import TrunkError

_TOKENIZER_CONFIG: Final = "tokenizer.json"  # KerasHub's: the class and its arguments; not Hugging Face's


@dataclass(frozen=True, slots=True)
class PresetTokenizerFiles:
    """The bytes of a preset's tokenizer files by name, and the arguments of its KerasHub class.

    >>> PresetTokenizerFiles({"vocabulary.txt": b"[PAD]"}, {"lowercase": True}).file_text("vocabulary.txt")
    '[PAD]'
    """

    files: Mapping[str, bytes]
    config: Mapping[str, Any]

    def file_bytes(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            TrunkError: the preset has no such file.
        """
        if name not in self.files:
            raise TrunkError(f"the preset has no tokenizer file {name}. Download it again.")
        return self.files[name]

    def file_text(self, name: str) -> str:
        """Return a file's text.

        Raises:
            TrunkError: the preset has no such file, or it is not UTF-8.
        """
        try:
            return self.file_bytes(name).decode()
        except UnicodeDecodeError as fault:
            raise TrunkError(f"the preset's {name} is not UTF-8 ({fault}). Download it again.") from None


def read_tokenizer_files(folder: Path) -> tuple[str, PresetTokenizerFiles]:
    """Return the KerasHub class name of the tokenizer in a preset's `folder`, and its files.

    Raises:
        TrunkError: there is no tokenizer.
    """
    try:
        config = json.loads((folder / _TOKENIZER_CONFIG).read_bytes())
        files = {file.name: file.read_bytes() for file in sorted((folder / "assets" / "tokenizer").iterdir())}
        return str(config["class_name"]), PresetTokenizerFiles(files, dict(config["config"]))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise TrunkError(f"{folder} holds no KerasHub tokenizer ({fault!r}). Download the preset again.") from None
