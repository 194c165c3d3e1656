"""The verbs as a click group: their help, and the mistakes in their use."""

from __future__ import annotations

from collections.abc import Sequence

import click

from troth import __version__
from troth.cli import USAGE, complain
from troth.cli.verbs import Verbs

# verb: module and name of its command. The modules are loaded when a verb is used, or all are listed.
_VERBS = {
    "run": ("troth.cli.run_command", "run"),
    "show": ("troth.cli.show", "show"),
    "ask": ("troth.cli.ask", "ask"),
    "diff": ("troth.cli.diff", "diff"),
    "prove": ("troth.cli.prove", "prove"),
    "forecast": ("troth.cli.forecast", "forecast_command"),
    "libc": ("troth.cli.libc", "libc"),
    "doctor": ("troth.cli.doctor", "doctor"),
}


@click.group(cls=Verbs, verbs=_VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="troth", message="%(prog)s %(version)s")
def app() -> None:
    """Give a program's word on what it will not do, and have the kernel keep it.

    \b
    Examples:
      troth run -p "stdio rpath" -- ls /
      troth run -p "stdio rpath" -v /srv:r -- grep -r needle /srv
      troth show pid:1
      troth doctor
    """


def invoke(args: Sequence[str]) -> int:
    """Run a command line through click; gives its exit status, and tells mistakes in troth's words."""
    try:
        status = app.main(list(args), prog_name="troth", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.UsageError as error:
        # click's parser does not say where it was.
        named = f"troth {args[0]}" if args[0] in _VERBS else "troth"
        place = error.ctx.command_path if error.ctx else named
        complain(_in_our_words(error.format_message()), f"`{place} --help` tells more")
        return USAGE
    except click.ClickException as error:
        complain(_in_our_words(error.format_message()))
        return error.exit_code
    except click.Abort:
        return 130
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    return status if isinstance(status, int) else 0


def _in_our_words(message: str) -> str:
    return message[:1].lower() + message[1:].removesuffix(".").replace("'", "`")
