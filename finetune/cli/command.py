"""How the command `finetune` is put together: options under headings, and sub-commands beside DATA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
OptionSection = tuple[str, Sequence[click.Option]]


class FinetuneCommand(click.Command):
    """A command on DATA some of whose first words are commands of their own, each imported when it is wanted."""

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
        """Read the arguments, as the sub-command's where the first word is its name."""
        if args and args[0] in self.commands:
            command = self.commands[args[0]]()
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **CONTEXT_SETTINGS, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the command, or the sub-command that `make_context` chose."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for the command and one for all sub-commands."""
        super().format_usage(ctx, formatter)
        formatter.write_usage(ctx.command_path, f"[{'|'.join(self.commands)}] --help", " " * len("Usage: "))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, then the sub-commands."""
        help_option = self.get_help_option(ctx)
        for title, options in self.sections:
            trailing = [help_option] if help_option and title == self.sections[-1][0] else []
            with formatter.section(title):
                formatter.write_dl([record for one in (*options, *trailing) if (record := one.get_help_record(ctx))])
        with formatter.section("Commands"):
            formatter.write_dl([(name, load().get_short_help_str(200)) for name, load in self.commands.items()])
