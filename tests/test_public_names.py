"""Public names are the field's terms: no participles, no riddles, and one name for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.support.law_of_imports import PACKAGES
from tests.support.paths import REPOSITORY

# Words that say nothing to somebody who searches: as a whole name, or as the first word of a longer one.
DENIED = frozenset(
    """
    told tell telling said say asked asking given giving made kept keeper held judged judge settled settle parted
    harvested planted known found mended mend taught learnt wanted wish wished framed drawn stored shown done begun gone
    room aims course lesson standing study oracle mirrors enliven regrown relearn twins alike took takes owed loose
    thing things stuff it them whole some every most least good bad odd here there written packed counted opened moved
    noted numbered sized seen shared
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
# Names that are data, and why they stay.
ALLOWED = {
    "graft/progress/json_lines.py: JsonLinesProgress.log_progress(done)": "key of the JSON events",
    "zoo/catalog/backbone.py: Backbone.takes": "key of `zoo show --json`, part of the trunk cache's key",
    "zoo/catalog/presets.py: PresetFamily.takes": "becomes Backbone.takes",
}


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    arguments = function.args
    yield from (argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def named(node: ast.AST, owner: str = "") -> Iterator[tuple[str, str]]:
    """Functions, classes, methods, fields, constants and parameters below: (qualified name, plain name)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{owner}{child.name}", child.name
            if not child.name.startswith("_") or child.name == "__init__":
                yield from ((f"{owner}{child.name}({name})", name) for name in parameters(child))
        elif isinstance(child, ast.ClassDef):
            yield f"{owner}{child.name}", child.name
            if not child.name.startswith("_"):
                yield from named(child, f"{owner}{child.name}.")
        elif isinstance(child, (ast.Assign, ast.AnnAssign)):
            yield from ((f"{owner}{name}", name) for name in assigned(child))


def public_names() -> Iterator[tuple[str, str, str]]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for qualified, plain in named(ast.parse(path.read_text())):
                if not plain.startswith("_"):
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
