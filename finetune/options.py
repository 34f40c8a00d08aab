"""The options of the command `finetune`, under their headings. What is not given is None: its default is the recipe's.

Each is called as the field of Recipe, Wanted or Training that it sets, and as the key of a recipe's TOML file.
"""

from __future__ import annotations

from typing import Any, Final

import click

from finetune.command import Section
from zoo.completing import backbones, files, folders


def _option(*names: str, told: str, **attrs: Any) -> click.Option:  # noqa: ANN401
    return click.Option(names, help=told, default=None, **attrs)


def _number(name: str, told: str) -> click.Option:
    return _option(name, told=told, type=float, metavar="X")


def _count(name: str, told: str) -> click.Option:
    return _option(name, told=told, type=int, metavar="N")


def _choice(name: str, told: str, *allowed: str) -> click.Option:
    return _option(name, told=told, type=click.Choice(allowed))


def _word(*names: str, told: str, metavar: str, **attrs: Any) -> click.Option:  # noqa: ANN401
    return _option(*names, told=told, metavar=metavar, **attrs)


DATA: Final = (
    _choice("--task", "[default: as labels suggest]", "classify", "tag", "regress", "embed"),
    _word("--text", "--text-b", "text", metavar="COL", multiple=True, told="Column of the text; both for pairs."),
    _word("--label", metavar="COL", told="Column of the label."),
    _word("--split-column", metavar="COL", told="Column that says train, val or test."),
    _word("--sheet", metavar="NAME", told="Sheet of an Excel workbook."),
    _number("--val", "Share of the samples to choose by.  [default: 0.2]"),
    _number("--test", "Share of the samples to measure with.  [default: 0.2]"),
    _number("--max-bad", "Share of the samples that may be unusable.  [default: 0.05]"),
    _count("--seed", "Decides the split, and every draw of a deeper run.  [default: 0]"),
)
MODEL: Final = (
    _word("--name", metavar="NAME", told="Name of the model.  [default: after the data]"),
    _word(
        "--models",
        metavar="FOLDER",
        shell_complete=folders,
        told="Folder that the model is published in.  [default: models]",
    ),
    _word(
        "--backbone",
        metavar="NAME",
        shell_complete=backbones,
        told="Pretrained network; `zoo list` shows all.  [default: efficientnet_lite0.imagenet, "
        "for texts all_minilm_l6_v2.sentences]",
    ),
    _choice("--precision", "Of the trunk.  [default: the backbone's own]", "fp32", "int8"),
    _option(
        "--no-samples", "own_samples", flag_value=False, told="Keep your samples out of the bundle and its report."
    ),
    _number("--unknown-at", 'Answer "unknown" to what is like nothing seen; this share of your samples stays known.'),
    _count("--tune", "Search N recipes of the head on the validation part; kept if better.  [default: 0]"),
)
DEPTH: Final = (
    _choice(
        "--depth",
        "How much learns: the head; the last blocks too; everything; low-rank updates (texts); "
        "or deeper while it helps.  [default: probe]",
        *("probe", "top", "full", "lora", "auto"),
    ),
    _word("--budget", metavar="TIME", told="Of --depth auto: 90s, 10m, 1h30m, or seconds.  [default: 10m]"),
    _count("--epochs", "At most so many.  [default: by depth]"),
    _count("--batch", "Samples of a step; halved where memory runs out.  [default: by depth]"),
    _number("--rate", "Peak of the learning rate for a batch of 32.  [default: by depth]"),
    _number("--layer-decay", "Factor of the rate from a block to the one below.  [default: by depth]"),
    _number("--weight-decay", "[default: by depth]"),
    _number("--smoothing", "Of labels.  [default: by depth]"),
    _option("--no-augment", "augment", flag_value=False, told="Show pictures as they are, never varied or mixed."),
    _count("--size", "Of full: side of the pictures in pixels.  [default: by the data]"),
    _word("--cut", metavar="LAYER", told="Of top: the layer whose output is cached.  [default: before two blocks]"),
    _count("--views", "Of top: varied views of each sample that are cached.  [default: by the data]"),
    _count("--rank", "Of lora.  [default: 8]"),
    _count("--patience", "Epochs without a better validation loss before it stops.  [default: 3]"),
    _option("--resume", flag_value=True, told="Go on where the same run was stopped."),
    _word("--tensorboard", metavar="FOLDER", shell_complete=folders, told="Write logs for TensorBoard there."),
)
PROGRESS: Final = click.Option(
    ["--progress"],
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    help="On standard error: for people, as JSON Lines, or nothing.  [default: auto]",
)
AS_JSON: Final = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on standard output.")
RUN: Final = (
    _word(
        "--recipe",
        metavar="FILE.toml",
        shell_complete=files,
        told="Read options from there, such as depth = 'auto'; the command line wins.",
    ),
    PROGRESS,
    AS_JSON,
)
SECTIONS: Final[tuple[Section, ...]] = (("Data", DATA), ("Model", MODEL), ("Training", DEPTH), ("Run", RUN))
