"""The command that looks at machines, registries and toolchains."""

from __future__ import annotations

import sys
from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import EXIT_FINDINGS, Work, common, dry_run
from patchbot.errors import UsageError


@cli.command()
@click.option("--registry", metavar="NAME", help="Look at this registry instead of the machine.")
@click.option("--write", "prefix", metavar="PREFIX",
              help="Try the registry with throw-away crates whose names begin with PREFIX.")  # fmt: skip
@click.option("--target", metavar="TRIPLE", help="Look at the toolchain for programs of another machine.")
@click.option("--install", is_flag=True, help="Prepare that toolchain: say what would be done, ask, do it.")
@click.option("--remove", is_flag=True, help="Remove the private part of that toolchain.")
@click.option("--yes", is_flag=True, help="Do not ask before --install.")
@click.option("--rust", "way", type=click.Choice(("rustup", "packages")),
              help="Where --install gets Rust; by itself from rustup if it is there, else from packages.")  # fmt: skip
@dry_run
@common
def doctor(**options: Any) -> int:  # noqa: ANN401 - click's options
    """Say what this machine lacks, or what a registry can do.

    Looking at a registry changes nothing. With --write some ten small crates are published there, one of 11
    MB among them, and yanked in the end if it knows yanks: what the index says of renamed, target, build,
    optional and weak dependencies, of links keys and rust-version; duplicates, a wrong token, yanks, long
    names.

    With --target it looks at what builds programs for another machine and runs them here: Rust with its
    standard library, a C compiler and qemu. --install gets what is missing, on Debian 12 or newer and on
    Ubuntu: the system's packages gcc-…, libc6-dev-…-cross and qemu-user with apt-get, as root or with sudo;
    the standard library with rustup where that manages rustc, else a private Rust of the distribution's
    packages, unpacked in the cache folder and found by nobody else. Without a terminal it needs --yes.

    Exit code 1 if something is not as it must be, 9 if --install cannot do what it should.

    \b
    Examples:
      patchbot doctor
      patchbot doctor --registry mine
      patchbot doctor --registry mine --write patchbot-probe --json
      patchbot doctor --target s390x-unknown-linux-gnu
      patchbot doctor --target s390x-unknown-linux-gnu --install
      patchbot doctor --target s390x-unknown-linux-gnu --remove
    """
    _refuse(options)
    if options["target"] is not None:
        return _target(options)
    from patchbot.pipeline import doctoring  # noqa: PLC0415 - see Work.open
    from patchbot.report import publishing as screens  # noqa: PLC0415

    here = Work(options)
    name, prefix = options["registry"], options["prefix"]
    if name is None:
        found = [finding.to_json() for finding in doctoring.machine()]
    else:
        with here.open() as work:
            asked = doctoring.registry(work, name, prefix, here.reporter.say)
            found = [finding.to_json() for finding in asked]
    here.print({"schema": 1, "registry": name, "findings": found}, screens.findings(found))
    return EXIT_FINDINGS if any(row["ok"] is False for row in found) else 0


def _refuse(options: dict[str, Any]) -> None:
    """Raise ``UsageError`` for options that do not go together."""
    if options["prefix"] is not None and options["registry"] is None:
        raise UsageError("--write needs a registry", hint="say which with --registry NAME")
    if options["target"] is not None and options["registry"] is not None:
        raise UsageError(
            "--target is of this machine, and --registry of another", hint="give one or the other"
        )
    if options["install"] and options["remove"]:
        raise UsageError("--install and --remove are opposites", hint="give one or the other")
    if (options["install"] or options["remove"]) and options["target"] is None:
        raise UsageError("for which machine?", hint="say it with --target TRIPLE")
    for name, given in (
        ("--yes", options["yes"]),
        ("--dry-run", options["dry_run"]),
        ("--rust", options["way"]),
    ):
        if given and not options["install"]:
            raise UsageError(f"{name} is for --install", hint="give both or none")


def _target(options: dict[str, Any]) -> int:
    """Judge, prepare or remove a toolchain; that needs no project."""
    from patchbot import config as configs  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import toolchains  # noqa: PLC0415
    from patchbot.report import publishing as screens  # noqa: PLC0415
    from patchbot.report import toolchains as texts  # noqa: PLC0415

    here = Work(options)
    target, cache = toolchains.target_of(options["target"]), configs.cache_directory()
    if options["remove"]:
        data = toolchains.removed(target, cache, here.reporter)
        here.print(data, texts.removed(data))
        return 0
    if options["install"] and not toolchains.is_own(target):
        return _install(here, options)
    found = [finding.to_json() for finding in toolchains.findings(target, cache)]
    if options["install"]:
        data = {"schema": 1, "target": target.triple, "steps": [], "toolchain": None}
        here.print(data, screens.findings(found))
        return 0
    here.print({"schema": 1, "target": target.triple, "findings": found}, screens.findings(found))
    return EXIT_FINDINGS if any(row["ok"] is False for row in found) else 0


def _install(here: Work, options: dict[str, Any]) -> int:
    from patchbot import config as configs  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import toolchains  # noqa: PLC0415
    from patchbot.report import toolchains as texts  # noqa: PLC0415

    target, cache = toolchains.target_of(options["target"]), configs.cache_directory()
    way = toolchains.Way(options["way"]) if options["way"] else None
    todo = toolchains.planned(target, cache, way, dry_run=options["dry_run"])
    text = texts.plan(target.triple, [(step.words, " ".join(step.command)) for step in todo.steps])
    if todo.steps and options["dry_run"]:
        here.print(toolchains.to_json(target, todo, None), text)
        return 0
    done = None
    if todo.steps:
        click.echo(text, err=True, nl=False)
        if not _agreed(yes=options["yes"]):
            click.echo("nothing was done", err=True)
            return EXIT_FINDINGS
        done = toolchains.executed(target, cache, way, todo, here.reporter)
    data = toolchains.to_json(target, todo, done)
    here.print(data, texts.installed(data))
    return 0


def _agreed(*, yes: bool) -> bool:
    """Ask whether to do what was shown.  Raises ``UsageError`` where there is nobody to ask."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "nobody is here to be asked: this is no terminal", hint="say yes beforehand with --yes"
        )
    return click.confirm("do this?", default=False, err=True)
