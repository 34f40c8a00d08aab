"""What a shell is offered while a command is typed: backbones, models, files. Light: a Tab must be quick.

Each function is the `shell_complete` of a parameter. A shell that our script completes no longer offers files by
itself, so whatever takes one has to say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from click import Context, Parameter
from click.shell_completion import CompletionItem


def complete_models(ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the models in the repository that the command line names, else the environment, else `complete_models`."""
    folder = Path(ctx.params.get("models") or os.environ.get("GRAFT_MODELS") or "models")
    return complete_words((path.name for path in folder.glob("*/") if path.name[0] != "."), incomplete)


def complete_files(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def complete_folders(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def complete_words(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return those words that begin as what is typed, sorted, whatever their case."""
    return [CompletionItem(word) for word in sorted(set(words)) if word.lower().startswith(incomplete.lower())]
