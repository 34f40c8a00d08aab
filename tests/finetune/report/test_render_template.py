"""Jinja2 templates: every value is escaped, an undefined name is an error, every template is installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from finetune.report.render_template import TEMPLATES, render_template
from tests.support.html_page import EVIL, Page

REPOSITORY = Path(__file__).parents[3]
CHECK_PAGE = {"name": "data", "sample_count": 3, "kind": {"plural": "texts"}, "task": "classify", "own_samples": True}


def test_template_escapes_everything_but_markup() -> None:
    page = Page(html := render_template("check.html.jinja", **CHECK_PAGE, findings_html=EVIL).encode())
    assert "script" not in page.tags
    assert EVIL in "".join(page.text)
    page = Page(render_template("check.html.jinja", **CHECK_PAGE, findings_html=Markup("<hr>")).encode())
    assert page.tags.count("hr") == 1
    assert b"&lt;script&gt;" in html


def test_template_with_an_undefined_name_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="findings_html"):
        render_template("check.html.jinja", **CHECK_PAGE)


def test_templates_have_a_content_security_policy() -> None:
    html = render_template("check.html.jinja", **CHECK_PAGE, findings_html="")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html


def test_templates_are_installed_with_the_package() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["finetune"]
    installed = {path for pattern in patterns for path in (REPOSITORY / "finetune").glob(pattern)}
    assert installed >= set(TEMPLATES.iterdir())
    assert TEMPLATES / "report.html.jinja" in installed
