"""Render the HTML templates of the report and of `finetune check --html` with Jinja2."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES: Final = Path(__file__).with_name("templates")


def render_template(template: str, /, **context: object) -> Markup:
    """Return the file `template` rendered with `context`, as HTML.

    Values are escaped (Jinja2's autoescape) unless they are `Markup`. A page that extends `page.html.jinja` is one
    self-contained file: style sheet, drawings and thumbnails are inside, nothing is fetched.

    Raises:
        jinja2.UndefinedError: the template uses a name that `context` does not have.
    """
    # Jinja2 escaped every value
    return Markup(_environment().get_template(template).render(context))  # noqa: S704


def format_number(value: float | None, spec: str) -> str:
    """Return `value` formatted as `format(value, spec)`, or a dash where there is none.

    >>> format_number(0.5, ".1%"), format_number(None, ".1%")
    ('50.0%', '–')
    """
    return "–" if value is None else format(value, spec)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["format_number"] = format_number
    return environment
