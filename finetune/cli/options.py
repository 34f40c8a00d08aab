"""The options of the command `finetune`, under their headings. What is not given is None: its default is the recipe's.

Each is called as the field of Recipe, Wanted or Training that it sets, and as the key of a recipe's TOML file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from graft.cli.completion import complete_files, complete_folders
from zoo.cli.options import complete_backbones

OptionSection = tuple[str, Sequence[click.Option]]  # a heading, and the options below it


def _option(*names: str, help_text: str, **attrs: Any) -> click.Option:  # noqa: ANN401
    return click.Option(names, help=help_text, default=None, **attrs)


def _float_option(name: str, help_text: str) -> click.Option:
    return _option(name, help_text=help_text, type=float, metavar="X")


def _int_option(name: str, help_text: str) -> click.Option:
    return _option(name, help_text=help_text, type=int, metavar="N")


def _choice_option(name: str, help_text: str, *allowed: str) -> click.Option:
    return _option(name, help_text=help_text, type=click.Choice(allowed))


def _text_option(*names: str, help_text: str, metavar: str, **attrs: Any) -> click.Option:  # noqa: ANN401
    return _option(*names, help_text=help_text, metavar=metavar, **attrs)


DATA_PARAMS: Final = (
    _choice_option("--task", "[default: as labels suggest]", "classify", "tag", "regress", "embed"),
    _text_option(
        "--text", "--text-b", "text", metavar="COL", multiple=True, help_text="Column of the text; both for pairs."
    ),
    _text_option("--label", metavar="COL", help_text="Column of the label."),
    _text_option("--split-column", metavar="COL", help_text="Column that says train, val or test."),
    _text_option("--sheet", metavar="NAME", help_text="Sheet of an Excel workbook."),
    _float_option("--val", "Share of the samples to choose by.  [default: 0.2]"),
    _float_option("--test", "Share of the samples to measure with.  [default: 0.2]"),
    _float_option("--max-bad", "Share of the samples that may be unusable.  [default: 0.05]"),
    _int_option("--seed", "Decides the split, and every draw of a deeper run.  [default: 0]"),
)
MODEL_PARAMS: Final = (
    _text_option("--name", metavar="NAME", help_text="Name of the model.  [default: after the data]"),
    _text_option(
        "--models",
        metavar="FOLDER",
        shell_complete=complete_folders,
        help_text="Folder that the model is published in.  [default: models]",
    ),
    _text_option(
        "--backbone",
        metavar="NAME",
        shell_complete=complete_backbones,
        help_text="Pretrained network; `zoo list` shows all.  [default: efficientnet_lite0.imagenet, "
        "for texts all_minilm_l6_v2.sentences]",
    ),
    _choice_option("--precision", "Of the trunk.  [default: the backbone's own]", "fp32", "int8"),
    _option(
        "--no-samples", "own_samples", flag_value=False, help_text="Keep your samples out of the bundle and its report."
    ),
    _float_option(
        "--unknown-at", 'Answer "unknown" to what is like nothing seen; this share of your samples stays known.'
    ),
    _int_option("--tune", "Search N recipes of the head on the validation part; kept if better.  [default: 0]"),
)
TRAINING_PARAMS: Final = (
    _choice_option(
        "--depth",
        "How much learns: the head; the last blocks too; everything; low-rank updates (texts); "
        "or deeper while it helps.  [default: probe]",
        *("probe", "top", "full", "lora", "auto"),
    ),
    _text_option("--budget", metavar="TIME", help_text="Of --depth auto: 90s, 10m, 1h30m, or seconds.  [default: 10m]"),
    _int_option("--epochs", "At most so many.  [default: by depth]"),
    _int_option("--batch", "Samples of a step; halved where memory runs out.  [default: by depth]"),
    _float_option("--rate", "Peak of the learning rate for a batch of 32.  [default: by depth]"),
    _float_option("--layer-decay", "Factor of the rate from a block to the one below.  [default: by depth]"),
    _float_option("--weight-decay", "[default: by depth]"),
    _float_option("--smoothing", "Of labels.  [default: by depth]"),
    _option("--no-augment", "augment", flag_value=False, help_text="Show pictures as they are, never varied or mixed."),
    _int_option("--size", "Of full: side of the pictures in pixels.  [default: by the data]"),
    _text_option(
        "--cut", metavar="LAYER", help_text="Of top: the layer whose output is cached.  [default: before two blocks]"
    ),
    _int_option("--views", "Of top: varied views of each sample that are cached.  [default: by the data]"),
    _int_option("--rank", "Of lora.  [default: 8]"),
    _int_option("--patience", "Epochs without a better validation loss before it stops.  [default: 3]"),
    _option("--resume", flag_value=True, help_text="Go on where the same run was stopped."),
    _text_option(
        "--tensorboard",
        metavar="FOLDER",
        shell_complete=complete_folders,
        help_text="Write logs for TensorBoard there.",
    ),
)
PROGRESS_OPTION: Final = click.Option(
    ["--progress"],
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    help="On standard error: for people, as JSON Lines, or nothing.  [default: auto]",
)
JSON_OPTION: Final = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on standard output.")
RUN_PARAMS: Final = (
    _text_option(
        "--recipe",
        metavar="FILE.toml",
        shell_complete=complete_files,
        help_text="Read options from there, such as depth = 'auto'; the command line wins.",
    ),
    PROGRESS_OPTION,
    JSON_OPTION,
)
OPTION_SECTIONS: Final[tuple[OptionSection, ...]] = (
    ("Data", DATA_PARAMS),
    ("Model", MODEL_PARAMS),
    ("Training", TRAINING_PARAMS),
    ("Run", RUN_PARAMS),
)
