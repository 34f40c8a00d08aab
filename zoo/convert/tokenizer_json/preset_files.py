"""A KerasHub preset's tokenizer, as its files: read, never run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import TrunkError

_TOKENIZER_CONFIG: Final = "tokenizer.json"  # KerasHub's, not Hugging Face's: the class and its arguments


@dataclass(frozen=True, slots=True)
class PresetTokenizerFiles:
    """The bytes of a preset's tokenizer files by name, and the arguments of its KerasHub class."""

    files: Mapping[str, bytes]
    config: Mapping[str, Any]

    def file_bytes(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            TrunkError: it is not there.
        """
        if name not in self.files:
            raise TrunkError(f"the preset has no tokenizer file {name}. Download it again.")
        return self.files[name]

    def file_text(self, name: str) -> str:
        """Return a file's text.

        Raises:
            TrunkError: it is not there, or no UTF-8.
        """
        try:
            return self.file_bytes(name).decode()
        except UnicodeDecodeError as fault:
            raise TrunkError(f"the preset's {name} is no UTF-8 text ({fault}). Download it again.") from None


def read_tokenizer_files(folder: Path) -> tuple[str, PresetTokenizerFiles]:
    """Return the KerasHub class of a preset's tokenizer, and its files.

    Raises:
        TrunkError: there is none in `folder`.
    """
    try:
        config = json.loads((folder / _TOKENIZER_CONFIG).read_bytes())
        files = {file.name: file.read_bytes() for file in sorted((folder / "assets" / "tokenizer").iterdir())}
        return str(config["class_name"]), PresetTokenizerFiles(files, dict(config["config"]))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise TrunkError(f"{folder} holds no KerasHub tokenizer ({fault!r}). Download the preset again.") from None
