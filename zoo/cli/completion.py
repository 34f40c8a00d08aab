"""`zoo completion`: print the shell completion script of the four commands."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

PROGRAMS: Final = ("zoo", "finetune", "serve", "predict")
SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete zoo, finetune, serve and predict.

    Commands, options and their values are completed, and the names of backbones and models. Nothing is installed: the
    shell reads the script when it starts.

    \b
    Examples:
      zoo completion bash >> ~/.bashrc
      zoo completion zsh >> ~/.zshrc      below the line with compinit
      zoo completion fish > ~/.config/fish/conf.d/graft.fish
    """  # noqa: D301 - click reads the backspace character
    kind = get_completion_class(shell)
    assert kind is not None, f"click knows no {shell}"  # noqa: S101 - the choice above has only its own
    for program in PROGRAMS:
        # The script only calls the program by its name, so an empty command suffices to write it.
        script = kind(click.Command(program), {}, program, f"_{program.upper()}_COMPLETE")
        click.echo(script.source_template % script.source_vars())
