"""Shell completion of models, files and folders. Imports nothing heavy, because a Tab must answer at once.

Each function is the `shell_complete` of a click parameter. A shell with a completion script no longer offers files by
itself, so every parameter that takes one needs `complete_files`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from click import Context, Parameter
from click.shell_completion import CompletionItem


def complete_models(ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the models in the repository: --models, else GRAFT_MODELS, else the folder `models`."""
    folder = Path(ctx.params.get("models") or os.environ.get("GRAFT_MODELS") or "models")
    return complete_words((path.name for path in folder.glob("*/") if path.name[0] != "."), incomplete)


def complete_files(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete files."""
    return [CompletionItem(incomplete, type="file")]


def complete_folders(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete folders."""
    return [CompletionItem(incomplete, type="dir")]


def complete_words(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the sorted words that start with `incomplete`, ignoring case.

    >>> [item.value for item in complete_words(["Roses", "tulips", "rocks"], "ro")]
    ['Roses', 'rocks']
    """
    return [CompletionItem(word) for word in sorted(set(words)) if word.lower().startswith(incomplete.lower())]
