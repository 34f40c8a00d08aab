"""The command `finetune`. Heavy modules are imported when it runs, so that `--help` is fast."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from finetune.cli.options import OPTION_SECTIONS, OptionSection
from graft.cli.completion_values import complete_files, complete_words
from graft.cli.run_cli import progress_reporter, run_cli

CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class FinetuneCommand(click.Command):
    """A command with an argument DATA and with subcommands, which are imported when used; its help has sections."""

    def __init__(
        self,
        name: str,
        *,
        arguments: Sequence[click.Argument],
        sections: Sequence[OptionSection],
        commands: Mapping[str, Callable[[], click.Command]],
        **attrs: Any,  # noqa: ANN401
    ) -> None:
        options = [option for _, some in sections for option in some]
        super().__init__(name, params=[*arguments, *options], context_settings=CONTEXT_SETTINGS, **attrs)
        self.sections, self.commands = sections, commands

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> click.Context:
        """Parse the arguments, as a subcommand's if the first one is its name."""
        if args and args[0] in self.commands:
            command = self.commands[args[0]]()
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **CONTEXT_SETTINGS, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the command, or the subcommand that `make_context` chose."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a usage line for the command and one for its subcommands."""
        super().format_usage(ctx, formatter)
        formatter.write_usage(ctx.command_path, f"[{'|'.join(self.commands)}] --help", " " * len("Usage: "))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, then the subcommands."""
        help_option = self.get_help_option(ctx)
        for title, options in self.sections:
            trailing = [help_option] if help_option and title == self.sections[-1][0] else []
            with formatter.section(title):
                formatter.write_dl([record for one in (*options, *trailing) if (record := one.get_help_record(ctx))])
        with formatter.section("Commands"):
            formatter.write_dl([(name, load().get_short_help_str(200)) for name, load in self.commands.items()])


EPILOG = """\b
Examples:
  finetune photos/                      a folder with a folder of images for each class
  finetune texts/                       the same with .txt files
  finetune reviews.csv                  a table with a text and a label column
  finetune photos.csv                   a table with a path and a label column
  finetune photos.zip                   a folder, or a table and its files, in a zip or tar
  finetune pairs.jsonl --text question --text answer --label good
  finetune reviews.xlsx --sheet 2024 --label stars --task regress
  finetune texts.csv --task embed       a model that returns features; needs no labels
  finetune sample:reuters-r8            7,674 news wires of eight topics, to try Graft out
  finetune photos/ --depth auto --budget 30m
  finetune photos/ --json | jq .metrics.accuracy
  finetune check photos/                check the data for problems before training
  finetune add more/ --to photos        add samples or classes to a model, in seconds

\b
For a folder called check or add, write ./check or ./add.

\b
Tables: CSV and TSV (UTF-8), JSON Lines, Parquet, Excel, Orange's .tab. Columns are found
by name and content, and logged. Folders train/, val/ and test/, or a column "split", are
kept; else the split is stratified by label and seeded. Images: JPEG, PNG, WebP, BMP, GIF.

\b
Tasks: classify (one of several classes), tag (several labels each: a list, or parts
between ; or |), regress (a number), embed. The labels of a table suggest which.

\b
Progress goes to standard error. Features are cached: a second run on the same samples
takes seconds.
"""


def _load_check_command() -> click.Command:
    from finetune.cli.check import check

    return check


def _load_add_command() -> click.Command:
    from finetune.cli.add import add

    return add


def _run_train_command(data: str, recipe: str | None, progress: str, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Fine-tune a pretrained network on DATA (transfer learning) and publish the model.

    DATA is a folder of class folders, a table, a zip or tar of these, or sample:digits, sample:mnist or
    sample:reuters-r8.
    """
    from finetune import recipe_toml, train
    from finetune.cli.summary import render_run_summary, run_summary

    with progress_reporter(progress) as reporter:
        recipe_values = recipe_toml.read_recipe_toml(Path(recipe)) if recipe else {}
        recipe_values |= {name: value for name, value in options.items() if value not in (None, ())}
        recipe_values |= {"data": data} if data else {}
        if "data" not in recipe_values:
            raise click.UsageError("Missing argument 'DATA': the path of the training data, or sample:NAME.")
        result = train(recipe_toml.recipe_from_values(recipe_values, recipe or "the command"), reporter)
    click.echo(
        json.dumps(run_summary(result.bundle, result.features), ensure_ascii=False)
        if as_json
        else render_run_summary(result)
    )


def _complete_first_argument(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a subcommand if no file begins with the incomplete word; else files."""
    if incomplete and not any(path.name.startswith(incomplete) for path in Path().iterdir()):
        return complete_words(("add", "check"), incomplete) or complete_files(ctx, param, incomplete)
    return complete_files(ctx, param, incomplete)


cli = FinetuneCommand(
    "finetune",
    callback=_run_train_command,
    help=_run_train_command.__doc__,
    epilog=EPILOG,
    arguments=[
        click.Argument(["data"], required=False, default="", metavar="DATA", shell_complete=_complete_first_argument)
    ],
    sections=OPTION_SECTIONS,
    commands={"check": _load_check_command, "add": _load_add_command},
)


def main() -> None:
    """Run the command `finetune`."""
    run_cli(cli)


if __name__ == "__main__":
    main()
