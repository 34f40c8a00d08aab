"""The report is readable: WCAG contrast of the style sheet's colours, in light and dark mode."""

from __future__ import annotations

import re

import pytest

from finetune.report.charts import draw_training_curves
from finetune.report.render_template import TEMPLATES

CSS = (TEMPLATES / "style.css").read_text()
Colour = tuple[float, ...]  # red, green, blue, 0 to 255
MIN_CONTRAST = 4.5  # WCAG 2.2, 1.4.3, of text that is not large
LIGHT, DARK = (dict(re.findall(r"--(\w+): ([^;]+);", block)) for block in re.findall(r":root \{([^}]*)\}", CSS))


def colour(words: str) -> Colour:
    digits = words.removeprefix("#")
    pairs = [2 * digit for digit in digits] if len(digits) == 3 else re.findall("..", digits)
    return tuple(int(pair, 16) for pair in pairs)


def luminance(of: Colour) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in of]
    return sum(share * one for share, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: Colour, other: Colour) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, {**LIGHT, **DARK}], ids=["light", "dark"])
def test_report_text_has_enough_contrast(theme: dict[str, str]) -> None:
    for words in ("ink", "soft", "good", "bad"):
        assert contrast(colour(theme[words]), colour(theme["card"])) >= MIN_CONTRAST
    for words in ("ink", "soft"):
        assert contrast(colour(theme[words]), colour(theme["page"])) >= MIN_CONTRAST
    assert contrast(colour(theme["ink"]), colour(theme["code"])) >= MIN_CONTRAST


@pytest.mark.parametrize("theme", [LIGHT, {**LIGHT, **DARK}], ids=["light", "dark"])
@pytest.mark.parametrize("hue", ["good", "bad"])
def test_confusion_matrix_number_has_enough_contrast(hue: str, theme: dict[str, str]) -> None:
    share = float(theme["deepest"].rstrip("%")) / 100
    pairs = zip(colour(theme[hue]), colour(theme["code"]), strict=True)
    cell = tuple(share * one + (1 - share) * other for one, other in pairs)
    assert contrast(colour(theme["ink"]), cell) >= MIN_CONTRAST


def test_training_curves_have_a_coloured_legend_below() -> None:
    train, validation = ("train", "--soft", [2.0, 1.0]), ("validation", "--good", [1.9, 0.9])
    chart = draw_training_curves("Loss", [train, validation], best_epoch=2)
    names = '<tspan fill="var(--soft)">train</tspan>, <tspan fill="var(--good)">validation</tspan>'
    assert f">Loss, over epochs: {names}</text>" in chart
