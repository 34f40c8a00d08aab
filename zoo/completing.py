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

from zoo.backbone import catalog


def backbones(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of backbones that begin as what is typed."""
    return beginning((entry.name for entry in catalog()), incomplete)


def models(ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the models in the repository that the command line names, else the environment, else `models`."""
    folder = Path(ctx.params.get("models") or os.environ.get("GRAFT_MODELS") or "models")
    return beginning((path.name for path in folder.glob("*/") if path.name[0] != "."), incomplete)


def files(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def folders(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def beginning(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return those words that begin as what is typed, sorted, whatever their case."""
    return [CompletionItem(word) for word in sorted(set(words)) if word.lower().startswith(incomplete.lower())]
