"""The command `tarbiter completion`: the script that completes the command line in a shell."""

from __future__ import annotations

import os
import shutil
import sys

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes tarbiter's commands, options and contestants in your shell.

    \b
    bash: tarbiter completion bash > ~/.local/share/bash-completion/completions/tarbiter
    zsh:  tarbiter completion zsh > "${fpath[1]}/_tarbiter"
    fish: tarbiter completion fish > ~/.config/fish/completions/tarbiter.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    program = os.path.basename(sys.argv[0]) if shutil.which(os.path.basename(sys.argv[0])) else "tarbiter"
    click.echo(found(ctx.find_root().command, {}, program, "_TARBITER_COMPLETE").source())
