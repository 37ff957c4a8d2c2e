"""The command line: one thin function per command, results on stdout, messages on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import patchbot
from patchbot.cli.group import cli
from patchbot.cli.options import tell
from patchbot.errors import EXIT_BUG, EXIT_INTERRUPTED, PatchbotError

__all__ = ["cli", "main", "run_cli"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of what happened (``errors`` lists them)."""
    sys.exit(run_cli(argv))


def run_cli(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An expected failure is a message; anything else is a bug and shows its traceback.
    """
    try:
        result = cli.main(args=argv, prog_name="patchbot", standalone_mode=False)
    except PatchbotError as error:
        tell(error)
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read stdout has enough
        return 0
    except Exception:  # noqa: BLE001 - the one place where bugs end
        import traceback  # noqa: PLC0415 - only for a bug

        traceback.print_exc()
        click.echo(
            f"\nThis is a bug in patchbot {patchbot.__version__}. Please report it with the text above.",
            err=True,
        )
        return EXIT_BUG
    return result if isinstance(result, int) else 0


def _interrupted() -> int:
    """Say so and nothing else.

    What was half made when Ctrl-C came is torn down when its exception is forgotten, after this; a library's
    ``__del__`` that expects it whole (GitPython's of settings) would put a traceback on the screen.
    """
    sys.unraisablehook = lambda _: None
    click.echo("interrupted; what is finished is kept, and a new run goes on from there", err=True)
    return EXIT_INTERRUPTED
