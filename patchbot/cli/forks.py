"""Commands about forks: crates, registry, proof, and what users write."""

from __future__ import annotations

from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import EXIT_MISSING, Work, allow_yanked, common, dry_run, with_releases


@cli.command()
@with_releases
@allow_yanked
@common
def fork(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Make the forks of releases and say which crates were forked, and why.

    \b
    Examples:
      patchbot fork 8.0.1 9.0.4
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), until=job.Stage.FORK)
        here.print(outcome.to_json(), screens.forks(outcome.forks))
    return 0


@cli.command()
@with_releases
@dry_run
@allow_yanked
@common
def publish(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Put the forks of releases into the local registry directory.

    Crates that are there already stay untouched; other bytes under their names stop the command.

    \b
    Examples:
      patchbot publish 8.0.1 9.0.4
      patchbot publish --dry-run
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report.terminal import table  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        until = job.Stage.FORK if options["dry_run"] else job.Stage.PUBLISH
        outcome = job.run(work, choose(work, releases), until=until)
        crates = [crate for forks in outcome.forks for crate in forks.crates]
        steps = work.registry.plan(crates) if options["dry_run"] else outcome.published
        rows = [(s.crate.entry.name, s.crate.entry.version, s.state.value) for s in steps]
        data = [{"name": s.crate.entry.name, "state": s.state.value} for s in steps]
        here.print({"schema": 1, "registry": str(work.registry.folder), "crates": data}, table(rows))
    return 0


@cli.command()
@with_releases
@click.option("--force", is_flag=True, help="Prove again what was proved of the same bytes.")
@allow_yanked
@common
def prove(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Build and run one program with all of these releases, and write a receipt.

    \b
    Three rungs, each with a negative twin that must fail:
      symbols  every object of every fork: no name without its suffix
      link     one program, beside upstream's own crate of the newest release
      run      calls, traps, fibers and threads of every version in one process

    \b
    Examples:
      patchbot prove 8.0.1 9.0.4
      patchbot prove 8.0.1 9.0.4 --json --force
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), force=options["force"])
        for line in outcome.missing:
            here.reporter.warn(line)
        if outcome.proved is not None:
            data = outcome.proved.to_json()
            here.print(data, screens.receipt(data))
    return EXIT_MISSING if outcome.missing else 0


@cli.command()
@with_releases
@allow_yanked
@common
def consumer(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Print the lines for your own Cargo.toml and .cargo/config.toml.

    \b
    Examples:
      patchbot consumer 8.0.1 9.0.4
      patchbot consumer 8.0.1 9.0.4 --json
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), until=job.Stage.PUBLISH)
        text = "\n".join(f"# {file}\n{lines}" for file, lines in outcome.consumer.items())
        here.print({"schema": 1, "files": outcome.consumer}, text)
    return 0
