"""The examples in docstrings run: `>>>` blocks of every module of the four packages."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.support.law_of_imports import PACKAGES
from tests.support.paths import REPOSITORY

FILES = [path.relative_to(REPOSITORY) for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
MODULES = [
    ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    for file in FILES
    if ">>> " in (REPOSITORY / file).read_text()
]
AT_LEAST = 20  # functions with an example


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed


def test_the_most_used_functions_have_an_example() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test.name for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= AT_LEAST, sorted(examples)
