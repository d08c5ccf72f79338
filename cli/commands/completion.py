"""`coupon completion`."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print a script that completes commands in a shell.")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and names of parts.

    bash (4.4 or newer) also completes a path such as .venv/bin/coupon; zsh and fish complete
    `coupon` from the PATH. In zsh, run `compinit` first.

    \b
      eval "$(coupon completion bash)"
      coupon completion zsh
      coupon completion fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    root = ctx.find_root().command
    click.echo(completion(root, {}, "coupon", "_COUPON_COMPLETE").source())
