"""The group of all commands."""

from __future__ import annotations

from importlib import import_module

import click

import patchbot

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


# Where the commands are.  To import all of them for one would take as long as a small rebase does.
HOMES = {
    "releases": ("assemble", "check", "run", "scan", "status", "sync"),
    "forks": ("consumer", "fork", "prove"),
    "patches": ("diff", "rebase", "resolve"),
    "publishing": ("publish", "yank"),
    "doctoring": ("doctor",),
    "registry": ("registry", "serve"),
    "report": ("report",),
}


class _Group(click.Group):
    """Imports the module of a command when it is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for home, names in HOMES.items():
            if cmd_name in names:
                import_module(f"patchbot.cli.{home}")
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        for home in HOMES:
            import_module(f"patchbot.cli.{home}")
        return super().list_commands(ctx)


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(patchbot.__version__, prog_name="patchbot")
def cli() -> None:
    """Several versions of wasmtime in one Rust program.

    patchbot takes releases from crates.io, gives every link-time name a version suffix by a patch series,
    turns each release into crates with names of their own, and proves by building and running that they
    live together.

    \b
    The main job, from upstream to proof:
      patchbot run 8.0.1 9.0.4
    What your own Cargo.toml needs then:
      patchbot consumer 8.0.1 9.0.4

    Exit codes: 0 done, 1 findings, 2 usage, 3 configuration, 4 repository, 5 conflict, 6 rewrite,
    7 proof failed, 8 publish, 9 environment (a tool or the network is missing), 70 bug, 130 interrupted.
    """
