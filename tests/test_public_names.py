"""Public names are the field's terms: no participles, no riddles, and one name for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.support.paths import REPOSITORY

PACKAGES = ("graft", "zoo", "finetune", "service")
# Words that say nothing to somebody who searches: as a whole name, or as the first word of a function or parameter.
DENIED = frozenset(
    ["told", "tell", "telling", "said", "say", "asked", "asking", "given", "giving", "made", "kept", "keeper", "keep", "held", "judged", "judge", "settled", "settle", "parted", "harvested", "planted", "known", "found", "mended", "mend", "taught", "learnt", "wanted", "wish", "wished", "framed", "drawn", "stored", "shown", "put", "done", "begun", "begin", "gone", "room", "aims", "course", "lesson", "standing", "study", "oracle", "mirrors", "enliven", "regrown", "relearn", "twins", "alike", "took", "takes", "owed", "loose", "thing", "things", "stuff", "it", "them", "whole", "some", "every", "most", "least", "good", "bad", "odd", "near", "here", "there", "now", "written", "packed", "cut", "counted", "opened", "moved", "noted", "numbered", "read_", "sized", "seen", "spread", "shared"]
)
# Names that are data (JSON keys, TOML keys, options, wire fields), or a library's, and why.
ALLOWED = {}


def named(node: ast.AST, owner: str = "") -> Iterator[tuple[str, str]]:
    """Public functions, classes, methods, fields, constants and parameters below: (qualified name, plain name)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if child.name.startswith("_"):
                continue
            yield f"{owner}{child.name}", child.name
            arguments = child.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                if not argument.arg.startswith("_"):
                    yield f"{owner}{child.name}({argument.arg})", argument.arg
        elif isinstance(child, ast.ClassDef):
            if not child.name.startswith("_"):
                yield f"{owner}{child.name}", child.name
                yield from named(child, f"{owner}{child.name}.")
        elif isinstance(child, (ast.Assign, ast.AnnAssign)):
            for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                if isinstance(target, ast.Name) and not target.id.startswith("_"):
                    yield f"{owner}{target.id}", target.id


def public_names() -> Iterator[tuple[str, str, str]]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for qualified, plain in named(ast.parse(path.read_text())):
                yield path.relative_to(REPOSITORY).as_posix(), qualified, plain


def is_denied(name: str) -> bool:
    words = name.lower().strip("_").split("_")
    return words[0] in DENIED if len(words) > 1 else name.lower() in DENIED


def test_the_deny_list_denies() -> None:
    assert is_denied("told")
    assert is_denied("told_of")
    assert is_denied("Standing")
    assert not is_denied("class_weights")


def test_public_names_are_the_field_s_terms() -> None:
    denied = {f"{file}: {qualified}" for file, qualified, plain in public_names() if is_denied(plain)}
    assert sorted(denied - ALLOWED.keys()) == []
    assert sorted(ALLOWED.keys() - denied) == [], "no such name any more: take it out"


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(path.relative_to(REPOSITORY).as_posix())
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
